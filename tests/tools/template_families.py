"""A template per model family, written for these tests.

Each has the constructs that templates of the family use and must give the
prompt format that the family documents, which `expected` spells out.
"""

FAMILIES = []

TALK = [{"role": "user", "content": " Hi there "},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "How are you?"}]
WITH_SYSTEM = [{"role": "system", "content": "Be brief."}] + TALK
THOUGHT = [{"role": "user", "content": "2+2?"},
           {"role": "assistant",
            "content": "<think>\neasy\n</think>\n\n4"},
           {"role": "user", "content": "3+3?"}]


def family(name, template, messages, expected, **context):
    context = {"messages": messages, **context}
    FAMILIES.append({"name": name, "template": template, "context": context,
                     "expected": expected})


def refuses(name, template, messages):
    FAMILIES.append({"name": name, "template": template,
                     "context": {"messages": messages}, "fails": True})


LLAMA2 = """{% if messages[0]['role'] == 'system' %}
  {%- set system = '<<SYS>>\\n' + messages[0]['content'] + '\\n<</SYS>>\\n\\n' -%}
  {%- set talk = messages[1:] -%}
{% else %}
  {%- set system = '' -%}
  {%- set talk = messages -%}
{% endif %}
{%- for m in talk -%}
  {%- if (m['role'] == 'user') != (loop.index0 % 2 == 0) -%}
    {{ raise_exception('user and assistant must take turns') }}
  {%- endif -%}
  {%- if m.role == 'user' -%}
    {{ bos_token ~ '[INST] ' ~ ((system if loop.first else '') ~ m.content).strip() ~ ' [/INST]' }}
  {%- elif m.role == 'assistant' -%}
    {{ ' ' + m['content'] | trim + ' ' + eos_token }}
  {%- endif -%}
{%- endfor -%}
"""
family("llama-2", LLAMA2, WITH_SYSTEM,
       "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\n Hi there [/INST] Hello. </s>"
       "<s>[INST] How are you? [/INST]")
family("llama-2 without system", LLAMA2, TALK,
       "<s>[INST] Hi there [/INST] Hello. </s><s>[INST] How are you? [/INST]")
refuses("llama-2 out of turn", LLAMA2, TALK[1:])

LLAMA3 = """{{- bos_token }}
{%- for m in messages %}
    {{- '<|start_header_id|>' + m['role'] + '<|end_header_id|>\\n\\n' + m['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""
family("llama-3", LLAMA3, WITH_SYSTEM,
       "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n"
       "Be brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n"
       "Hi there<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
       "Hello.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n"
       "How are you?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
       bos_token="<|begin_of_text|>", eos_token="<|eot_id|>")

LLAMA31 = """{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{#- The system message comes first, whether it is there or not. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none %}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
{%- endif %}
{{- "Cutting Knowledge Date: December 2023\\n" }}
{{- "Today Date: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("one call at a time") }}
        {%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {{- '{"name": "' + tool_call.name + '", ' }}
        {%- for arg_name, arg_val in tool_call.arguments | items %}
            {{- arg_name + '="' + arg_val + '"' }}
        {%- endfor %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""
family("llama-3.1", LLAMA31, TALK[:1],
       "<s><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge "
       "Date: December 2023\nToday Date: 26 Jul 2024\n\n<|eot_id|>"
       "<|start_header_id|>user<|end_header_id|>\n\nHi there<|eot_id|>"
       "<|start_header_id|>assistant<|end_header_id|>\n\n")

MISTRAL = """{{ bos_token }}{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}{% elif m['role'] == 'assistant' %}{{ m['content'] + eos_token }}{% else %}{{ raise_exception('only user and assistant') }}{% endif %}{% endfor %}"""
family("mistral", MISTRAL, TALK,
       "<s>[INST]  Hi there  [/INST]Hello.</s>[INST] How are you? [/INST]")
refuses("mistral with a system message", MISTRAL, WITH_SYSTEM)

MIXTRAL = """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace() %}
{%- set ns.index = 0 %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if not (message.role == "tool" or (message.tool_calls is defined and message.tool_calls is not none)) %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("roles must alternate") }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"] + eos_token}}
    {%- endif %}
{%- endfor %}
"""
family("mixtral", MIXTRAL, WITH_SYSTEM,
       "<s>[INST]  Hi there [/INST] Hello.</s>[INST] Be brief.\n\n"
       "How are you?[/INST]")

ZEPHYR = """{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>\\n'  + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}"""
family("zephyr", ZEPHYR, WITH_SYSTEM,
       "<|system|>\nBe brief.</s>\n<|user|>\n Hi there </s>\n<|assistant|>\n"
       "Hello.</s>\n<|user|>\nHow are you?</s>\n<|assistant|>\n")

CHATML = """{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""
family("chatml, qwen2, smollm", CHATML, TALK[:1],
       "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
       "<|im_start|>user\n Hi there <|im_end|>\n<|im_start|>assistant\n")

QWEN3 = """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "<|im_end|>\\n" }}
{%- else %}
    {%- if messages[0].role == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- else %}
            {%- if '</think>' in content %}
                {%- set reasoning_content = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
                {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
            {%- endif %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index and (loop.last or reasoning_content) %}
            {{- '<|im_start|>' + message.role + '\\n<think>\\n' + reasoning_content.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}"""
family("qwen3 drops old thoughts", QWEN3, THOUGHT,
       "<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n4<|im_end|>\n"
       "<|im_start|>user\n3+3?<|im_end|>\n<|im_start|>assistant\n")
family("qwen3 keeps the last thought", QWEN3, THOUGHT[:2],
       "<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n<think>\neasy\n"
       "</think>\n\n4<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
       enable_thinking=False)

GEMMA = """{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\\n'}}{% endif %}"""
family("gemma, gemma2", GEMMA, TALK,
       "<bos><start_of_turn>user\nHi there<end_of_turn>\n<start_of_turn>model\n"
       "Hello.<end_of_turn>\n<start_of_turn>user\nHow are you?<end_of_turn>\n"
       "<start_of_turn>model\n", bos_token="<bos>")
refuses("gemma with a system message", GEMMA, WITH_SYSTEM)

GEMMA3 = """{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}
        {%- set first_user_prefix = messages[0]['content'] + '\n\n' -%}
    {%- else -%}
        {%- set first_user_prefix = messages[0]['content'][0]['text'] + '\n\n' -%}
    {%- endif -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}
    {%- set first_user_prefix = "" -%}
    {%- set loop_messages = messages -%}
{%- endif -%}
{%- for message in loop_messages -%}
    {%- if (message['role'] == 'assistant') -%}
        {%- set role = "model" -%}
    {%- else -%}
        {%- set role = message['role'] -%}
    {%- endif -%}
    {{ '<start_of_turn>' + role + '\n' + (first_user_prefix if loop.first else "") }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for item in message['content'] -%}
            {%- if item['type'] == 'text' -%}
                {{ item['text'] | trim }}
            {%- endif -%}
        {%- endfor -%}
    {%- else -%}
        {{ raise_exception("Invalid content type") }}
    {%- endif -%}
    {{ '<end_of_turn>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{'<start_of_turn>model\n'}}
{%- endif -%}
"""
family("gemma3", GEMMA3, WITH_SYSTEM,
       "<bos><start_of_turn>user\nBe brief.\n\nHi there<end_of_turn>\n"
       "<start_of_turn>model\nHello.<end_of_turn>\n<start_of_turn>user\n"
       "How are you?<end_of_turn>\n<start_of_turn>model\n", bos_token="<bos>")

PHI3 = """{% for message in messages %}{% if message['role'] == 'system' and message['content'] %}{{'<|system|>\n' + message['content'] + '<|end|>\n'}}{% elif message['role'] == 'user' %}{{'<|user|>\n' + message['content'] + '<|end|>\n'}}{% elif message['role'] == 'assistant' %}{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"""
family("phi3", PHI3, WITH_SYSTEM[:2],
       "<|system|>\nBe brief.<|end|>\n<|user|>\n Hi there <|end|>\n"
       "<|assistant|>\n")
family("phi3 without generation prompt", PHI3, TALK[:2],
       "<|user|>\n Hi there <|end|>\n<|assistant|>\nHello.<|end|>\n</s>",
       add_generation_prompt=False)

COMMAND_R = """{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% elif false == true %}{% set loop_messages = messages %}{% set system_message = 'unused' %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% if system_message != false %}{{ '<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>' + system_message + '<|END_OF_TURN_TOKEN|>' }}{% endif %}{% for message in loop_messages %}{% set content = message['content'] %}{% if message['role'] == 'user' %}{{ '<|START_OF_TURN_TOKEN|><|USER_TOKEN|>' + content.strip() + '<|END_OF_TURN_TOKEN|>' }}{% elif message['role'] == 'assistant' %}{{ '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>'  + content.strip() + '<|END_OF_TURN_TOKEN|>' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>' }}{% endif %}"""
family("command-r", COMMAND_R, WITH_SYSTEM[:2],
       "<s><|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>Be brief."
       "<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|USER_TOKEN|>Hi there"
       "<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>")

DEEPSEEK_R1 = """{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}{% set ns = namespace(is_first=false, is_tool=false, is_output_first=true, system_prompt='') %}{%- for message in messages %}{%- if message['role'] == 'system' %}{% set ns.system_prompt = message['content'] %}{%- endif %}{%- endfor %}{{bos_token}}{{ns.system_prompt}}{%- for message in messages %}{%- if message['role'] == 'user' %}{%- set ns.is_tool = false -%}{{'<｜User｜>' + message['content']}}{%- endif %}{%- if message['role'] == 'assistant' and message['content'] is not none %}{% set content = message['content'] %}{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}{{'<｜Assistant｜>' + content + '<｜end▁of▁sentence｜>'}}{%- endif %}{%- endfor -%}{% if add_generation_prompt and not ns.is_tool %}{{'<｜Assistant｜><think>\\n'}}{% endif %}"""
family("deepseek-r1", DEEPSEEK_R1, THOUGHT,
       "<｜begin▁of▁sentence｜><｜User｜>2+2?<｜Assistant｜>\n\n4"
       "<｜end▁of▁sentence｜><｜User｜>3+3?<｜Assistant｜><think>\n",
       bos_token="<｜begin▁of▁sentence｜>")

DEEPSEEK2 = """{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{ 'User: ' + message['content'] + '

' }}{% elif message['role'] == 'assistant' %}{{ 'Assistant: ' + message['content'] + eos_token }}{% elif message['role'] == 'system' %}{{ message['content'] + '

' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"""
family("deepseek2", DEEPSEEK2, WITH_SYSTEM,
       "<s>Be brief.\n\nUser:  Hi there \n\nAssistant: Hello.</s>"
       "User: How are you?\n\nAssistant:")

GRANITE = """{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set system_message = "Today's Date: " + strftime_now('%B %d, %Y') + ".\\nYou are helpful." %}
    {%- if tools and documents %}
        {%- set system_message = system_message + " Use both." %}
    {%- elif tools %}
        {%- set system_message = system_message + " Use tools." %}
    {%- endif %}
    {%- set loop_messages = messages %}
{%- endif %}
{{- '<|start_of_role|>system<|end_of_role|>' + system_message + '<|end_of_text|>\\n' }}
{%- for message in loop_messages %}
    {{- '<|start_of_role|>' + message['role'] + '<|end_of_role|>' + message['content'] + '<|end_of_text|>\\n' }}
    {%- if loop.last and add_generation_prompt %}
        {{- '<|start_of_role|>assistant' }}
        {%- if controls %}
            {{- ' ' + controls | tojson() }}
        {%- endif %}
        {{- '<|end_of_role|>' }}
    {%- endif %}
{%- endfor %}"""
family("granite", GRANITE, TALK[:1],
       "<|start_of_role|>system<|end_of_role|>Today's Date: July 26, 2024.\n"
       "You are helpful.<|end_of_text|>\n<|start_of_role|>user<|end_of_role|> "
       "Hi there <|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>")
family("granite with controls", GRANITE, WITH_SYSTEM[:2],
       "<|start_of_role|>system<|end_of_role|>Be brief.<|end_of_text|>\n"
       "<|start_of_role|>user<|end_of_role|> Hi there <|end_of_text|>\n"
       "<|start_of_role|>assistant {\"length\": \"short\"}<|end_of_role|>",
       controls={"length": "short"})

SMOLLM3 = """{%- if enable_thinking is not defined -%}
{%- set enable_thinking = true -%}
{%- endif -%}
{%- set reasoning_mode = "/think" if enable_thinking else "/no_think" -%}
{{- "<|im_start|>system\\n" -}}
{%- if messages[0].role == "system" -%}
    {%- set system_message = messages[0].content -%}
    {%- if "/no_think" in system_message -%}
        {%- set reasoning_mode = "/no_think" -%}
    {%- endif -%}
    {%- set custom_instructions = system_message.replace("/no_think", "").replace("/think", "").rstrip() -%}
{%- endif -%}
{%- if "/system_override" in (system_message | default("")) -%}
    {{- custom_instructions.replace("/system_override", "").rstrip() -}}
{%- else -%}
    {%- set today = strftime_now("%d %B %Y") -%}
    {{- "## Metadata\\n\\nToday Date: " ~ today ~ "\\nReasoning Mode: " + reasoning_mode + "\\n\\n" -}}
    {%- if custom_instructions -%}
        {{- custom_instructions + "\\n\\n" -}}
    {%- endif -%}
{%- endif -%}
{{- "<|im_end|>\\n" -}}
{%- for message in messages -%}
    {%- set content = message.content if message.content is string else "" -%}
    {%- if message.role == "user" -%}
        {{ "<|im_start|>" + message.role + "\\n"  + content + "<|im_end|>\\n" }}
    {%- elif message.role == "assistant" -%}
        {%- generation -%}
        {%- if reasoning_mode == "/think" -%}
            {{ "<|im_start|>assistant\\n" + content.lstrip("\\n") + "<|im_end|>\\n" }}
        {%- else -%}
            {{ "<|im_start|>assistant\\n<think>\\n\\n</think>\\n" + content.lstrip("\\n") + "<|im_end|>\\n" }}
        {%- endif -%}
        {%- endgeneration -%}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{ "<|im_start|>assistant\\n" }}{% if reasoning_mode == "/no_think" %}{{ "<think>\\n\\n</think>\\n" }}{% endif %}
{%- endif -%}
"""
family("smollm3", SMOLLM3,
       [{"role": "system", "content": "Be brief. /no_think"}] + TALK,
       "<|im_start|>system\n## Metadata\n\nToday Date: 26 July 2024\nReasoning "
       "Mode: /no_think\n\nBe brief.\n\n<|im_end|>\n<|im_start|>user\n Hi there "
       "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\nHello.<|im_end|>"
       "\n<|im_start|>user\nHow are you?<|im_end|>\n<|im_start|>assistant\n"
       "<think>\n\n</think>\n")

STABLELM = """{% for message in messages %}{% if (message['role'] in ['system', 'user', 'assistant']) %}{{ '<|' ~ message['role'] ~ '|>\\n' ~ message['content'] ~ (eos_token if message['role'] != 'system' or true else '') }}{% if not loop.last %}{{ '\\n' }}{% endif %}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '\\n<|assistant|>\\n' }}{% endif %}"""
family("stablelm", STABLELM, TALK[:1],
       "<|user|>\n Hi there <|endoftext|>\n<|assistant|>\n",
       eos_token="<|endoftext|>")

OLMO2 = """{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}{{ '<|system|>\n' + message['content'] + '\n' }}{% elif message['role'] == 'user' %}{{ '<|user|>\n' + message['content'] + '\n' }}{% elif message['role'] == 'assistant' %}{% if not loop.last %}{{ '<|assistant|>\n'  + message['content'] + eos_token + '\n' }}{% else %}{{ '<|assistant|>\n'  + message['content'] + eos_token }}{% endif %}{% endif %}{% if loop.last and add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}{% endfor %}"""
family("olmo2", OLMO2, TALK,
       "<|endoftext|><|user|>\n Hi there \n<|assistant|>\nHello.<|endoftext|>\n"
       "<|user|>\nHow are you?\n<|assistant|>\n", bos_token="<|endoftext|>",
       eos_token="<|endoftext|>")

PHI2 = """{% for m in messages %}{{ ('Instruct' if m.role == 'user' else 'Output') ~ ': ' ~ m.content | trim }}{{ '\\n' }}{% endfor %}{{ 'Output:' if add_generation_prompt }}"""
family("phi2", PHI2, TALK,
       "Instruct: Hi there\nOutput: Hello.\nInstruct: How are you?\nOutput:")

# Tools as declarations in TypeScript, by macros that call each other.
GPT_OSS = """{#-
  Macros first.
#}
{%- macro render_typescript_type(param_spec, required_params, is_nullable=false) -%}
    {%- if param_spec.type == "array" -%}
        {%- if param_spec['items'] -%}
            {%- if param_spec['items']['type'] == "string" -%}
                {{- "string[]" }}
            {%- elif param_spec['items']['type'] in ["number", "integer"] -%}
                {{- "number[]" }}
            {%- else -%}
                {%- set inner_type = render_typescript_type(param_spec['items'], required_params) -%}
                {%- if inner_type == "object | object" or inner_type|length > 50 -%}
                    {{- "any[]" }}
                {%- else -%}
                    {{- inner_type + "[]" }}
                {%- endif -%}
            {%- endif -%}
        {%- else -%}
            {{- "any[]" }}
        {%- endif -%}
    {%- elif param_spec.type is defined and param_spec.type is iterable and param_spec.type is not string and param_spec.type is not mapping and param_spec.type[0] is defined -%}
        {%- if param_spec.type | length > 1 -%}
            {{- param_spec.type | join(" | ") }}
        {%- else -%}
            {{- param_spec.type[0] }}
        {%- endif -%}
    {%- elif param_spec.oneOf -%}
        {%- for variant in param_spec.oneOf -%}
            {{- render_typescript_type(variant, required_params) -}}
            {%- if variant.default is defined %}
                {{- " // default: " + variant.default | tojson }}
            {%- endif -%}
            {%- if not loop.last %}
                {{- " | " }}
            {%- endif -%}
        {%- endfor -%}
    {%- elif param_spec.type == "string" -%}
        {%- if param_spec.enum -%}
            {{- '"' + param_spec.enum|join('" | "') + '"' -}}
        {%- else -%}
            {{- "string" }}
            {%- if param_spec.nullable %}
                {{- " | null" }}
            {%- endif -%}
        {%- endif -%}
    {%- elif param_spec.type in ["number", "integer"] -%}
        {{- "number" }}
    {%- elif param_spec.type == "boolean" -%}
        {{- "boolean" }}
    {%- elif param_spec.type == "object" -%}
        {%- if param_spec.properties -%}
            {{- "{\\n" }}
            {%- for prop_name, prop_spec in param_spec.properties.items() -%}
                {{- prop_name -}}
                {%- if prop_name not in (param_spec.required or []) -%}
                    {{- "?" }}
                {%- endif -%}
                {{- ": " }}
                {{- render_typescript_type(prop_spec, param_spec.required or []) }}
                {%- if not loop.last -%}
                    {{-", " }}
                {%- endif -%}
            {%- endfor -%}
            {{- "}" }}
        {%- else -%}
            {{- "object" }}
        {%- endif -%}
    {%- else -%}
        {{- "any" }}
    {%- endif -%}
{%- endmacro -%}

{%- macro render_tool_namespace(namespace_name, tools) -%}
    {{- "## " + namespace_name + "\\n\\n" }}
    {{- "namespace " + namespace_name + " {\\n\\n" }}
    {%- for tool in tools %}
        {%- set tool = tool.function %}
        {{- "// " + tool.description + "\\n" }}
        {{- "type "+ tool.name + " = " }}
        {%- if tool.parameters and tool.parameters.properties %}
            {{- "(_: {\\n" }}
            {%- for param_name, param_spec in tool.parameters.properties.items() %}
                {%- if param_spec.description %}
                    {{- "// " + param_spec.description + "\\n" }}
                {%- endif %}
                {{- param_name }}
                {%- if param_name not in (tool.parameters.required or []) -%}
                    {{- "?" }}
                {%- endif -%}
                {{- ": " }}
                {{- render_typescript_type(param_spec, tool.parameters.required or []) }}
                {%- if param_spec.default is defined -%}
                    {%- if param_spec.enum %}
                        {{- ", // default: " + param_spec.default }}
                    {%- else %}
                        {{- ", // default: " + param_spec.default|tojson }}
                    {%- endif -%}
                {%- endif -%}
                {{- ",\\n" }}
            {%- endfor %}
            {{- "}) => any;\\n\\n" }}
        {%- else -%}
            {{- "() => any;\\n\\n" }}
        {%- endif -%}
    {%- endfor %}
    {{- "} // namespace " + namespace_name }}
{%- endmacro -%}

{%- macro build_system_message() -%}
    {%- if model_identity is not defined %}
        {%- set model_identity = "You are a test." %}
    {%- endif %}
    {{- model_identity + "\\n" }}
    {{- "Current date: " + strftime_now("%Y-%m-%d") + "\\n\\n" }}
    {%- if reasoning_effort is not defined %}
        {%- set reasoning_effort = "medium" %}
    {%- endif %}
    {{- "Reasoning: " + reasoning_effort + "\\n\\n" }}
    {{- "# Valid channels: analysis, commentary, final." }}
{%- endmacro -%}

{{- "<|start|>system<|message|>" }}
{{- build_system_message() }}
{{- "<|end|>" }}
{%- if messages[0].role == "developer" or messages[0].role == "system" %}
    {%- set developer_message = messages[0].content %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set developer_message = "" %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- if developer_message or tools %}
    {{- "<|start|>developer<|message|>" }}
    {%- if developer_message %}
        {{- "# Instructions\\n\\n" }}
        {{- developer_message }}
    {%- endif %}
    {%- if tools -%}
        {{- "\\n\\n" }}
        {{- "# Tools\\n\\n" }}
        {{- render_tool_namespace("functions", tools) }}
    {%- endif -%}
    {{- "<|end|>" }}
{%- endif %}
{%- set last_tool_call = namespace(name=none) %}
{%- for message in loop_messages -%}
    {%- if message.role == 'assistant' -%}
        {%- if "content" in message and "<|channel|>analysis<|message|>" in message.content %}
            {{- raise_exception("channels do not belong into the content") }}
        {%- endif %}
        {%- if "tool_calls" in message %}
            {%- set tool_call = message.tool_calls[0] %}
            {%- set last_tool_call.name = tool_call.function.name %}
            {{- "<|start|>assistant to=functions." ~ last_tool_call.name ~ "<|channel|>commentary json<|message|>" ~ tool_call.function.arguments|tojson ~ "<|call|>" }}
        {%- elif loop.last and not add_generation_prompt %}
            {{- "<|start|>assistant<|channel|>final<|message|>" + message.content + "<|return|>" }}
        {%- else %}
            {{- "<|start|>assistant<|channel|>final<|message|>" + message.content + "<|end|>" }}
            {%- set last_tool_call.name = none %}
        {%- endif %}
    {%- elif message.role == 'tool' -%}
        {%- if last_tool_call.name is none %}
            {{- raise_exception("an answer without a call") }}
        {%- endif %}
        {{- "<|start|>functions." + last_tool_call.name }}
        {{- " to=assistant<|channel|>commentary<|message|>" + message.content|tojson + "<|end|>" }}
    {%- elif message.role == 'user' -%}
        {{- "<|start|>user<|message|>" + message.content + "<|end|>" }}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
<|start|>assistant
{%- endif -%}
"""
GPT_OSS_SYSTEM = ("<|start|>system<|message|>You are a test.\nCurrent date: "
                  "2024-07-26\n\nReasoning: medium\n\n# Valid channels: "
                  "analysis, commentary, final.<|end|>")
family("gpt-oss", GPT_OSS, WITH_SYSTEM,
       GPT_OSS_SYSTEM + "<|start|>developer<|message|># Instructions\n\n"
       "Be brief.<|end|><|start|>user<|message|> Hi there <|end|>"
       "<|start|>assistant<|channel|>final<|message|>Hello.<|end|>"
       "<|start|>user<|message|>How are you?<|end|><|start|>assistant")
family("gpt-oss with tools", GPT_OSS,
       [TALK[0],
        {"role": "assistant", "tool_calls": [
            {"function": {"name": "weather", "arguments": {"city": "Köln"}}}]},
        {"role": "tool", "content": "rain"}],
       GPT_OSS_SYSTEM + "<|start|>developer<|message|>\n\n# Tools\n\n"
       "## functions\n\nnamespace functions {\n\n// Tells the weather\n"
       "type weather = (_: {\n// Where\ncity: string,\ndays?: number, "
       "// default: 3,\nunit?: \"C\" | \"F\",\ntags?: string[],\n"
       "place?: {\nx?: number, y?: number},\n}) => any;\n\n"
       "} // namespace functions<|end|><|start|>user<|message|> Hi there <|end|>"
       "<|start|>assistant to=functions.weather<|channel|>commentary json"
       "<|message|>{\"city\": \"Köln\"}<|call|><|start|>functions.weather "
       "to=assistant<|channel|>commentary<|message|>\"rain\"<|end|>"
       "<|start|>assistant",
       tools=[{"type": "function", "function": {
           "name": "weather", "description": "Tells the weather",
           "parameters": {"type": "object", "required": ["city"], "properties": {
               "city": {"type": "string", "description": "Where"},
               "days": {"type": "integer", "default": 3},
               "unit": {"type": "string", "enum": ["C", "F"]},
               "tags": {"type": "array", "items": {"type": "string"}},
               "place": {"type": "object", "properties": {
                   "x": {"type": "number"}, "y": {"type": "number"}}}}}}}])
