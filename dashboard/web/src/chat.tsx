// A chat with the model of the fleet.
import {useEffect, useRef, useState} from 'preact/hooks';
import {shortNumber} from './format';
import {ask, readEvents} from './stream';

interface Message {
  role: 'user' | 'assistant';
  content: string;
}

interface Done {
  finish_reason: string;
  tokens: number;
  time_to_first_token_ms: number;
  ms_per_token: number;
}

const silenceMs = 10 * 60 * 1000;
const temperature = 0.8;

function doneText(done: Done): string {
  const speed = done.ms_per_token > 0
    ? `, ${shortNumber(1000 / done.ms_per_token)} tokens/s` : '';
  return `${done.tokens} tokens, first after ` +
      `${shortNumber(done.time_to_first_token_ms)} ms${speed}` +
      (done.finish_reason === 'stop' ? '' : `, ended by ${done.finish_reason}`);
}

async function hasTemplate(): Promise<boolean> {
  return (await (await ask('/api/model')).json()).has_chat_template;
}

export function Chat(props: {ready: boolean; model: string}) {
  const [messages, setMessages] = useState<Message[]>([]);
  const [text, setText] = useState('');
  const [note, setNote] = useState('');
  const [tokens, setTokens] = useState(256);
  const [running, setRunning] = useState<AbortController | null>(null);
  const [converses, setConverses] = useState(true);
  const end = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (!props.ready) return;
    hasTemplate().then(setConverses, () => {});
  }, [props.ready, props.model]);
  useEffect(() => end.current?.scrollIntoView({block: 'nearest'}), [messages]);
  useEffect(() => () => running?.abort(), [running]);

  const send = async () => {
    if (running || !text.trim()) return;
    const asked: Message[] = [...messages, {role: 'user', content: text}];
    let answer = '';
    const show = () =>
      setMessages([...asked, {role: 'assistant', content: answer}]);
    const stop = new AbortController();
    setRunning(stop);
    setText('');
    setNote('waiting for the first token');
    show();
    const body = {
      ...(converses ? {messages: asked} : {prompt: text}),
      max_tokens: tokens, temperature, stream: true,
    };
    try {
      const response = await ask('/api/chat', {
        method: 'POST', body: JSON.stringify(body), signal: stop.signal,
      });
      await readEvents(response, (name, data) => {
        if (name === 'text') {
          answer += data.text;
          setNote('');
          show();
        }
        if (name === 'done') setNote(doneText(data));
        if (name === 'error') setNote(`failed: ${data.message}`);
      }, silenceMs);
    } catch (error) {
      setNote(stop.signal.aborted ? 'stopped'
                                  : `failed: ${(error as Error).message}`);
    }
    setRunning(null);
  };

  return (
    <section aria-labelledby="chat-heading" class="chat">
      <h2 id="chat-heading">
        {converses ? 'Chat' : 'Text'} <span class="faint">
          {converses ? props.model
                     : 'no chat template: the model goes on with it'}
        </span>
        {messages.length > 0 && !running &&
          <button type="button" onClick={() => {
            setMessages([]);
            setNote('');
          }}>new</button>}
      </h2>
      <ol class="scroll" tabIndex={0} aria-label="conversation"
          aria-live="polite" aria-busy={running !== null}>
        {messages.map((message, i) => (
          <li key={i} class={message.role}>
            <b>{message.role === 'user' ? 'you' : 'model'}</b>{' '}
            <span>{message.content}</span>
          </li>
        ))}
        <li ref={end} class="faint" data-field="chat_note">{note}</li>
      </ol>
      <form onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}>
        <textarea rows={2} value={text} aria-label="your text"
                  placeholder="Enter sends, Shift+Enter begins a line"
                  onInput={(event) => setText(event.currentTarget.value)}
                  onKeyDown={(event) => {
                    if (event.key !== 'Enter' || event.shiftKey ||
                        event.isComposing) {
                      return;
                    }
                    event.preventDefault();
                    void send();
                  }} />
        <label>at most <input type="number" min={1} max={4096} value={tokens}
          onInput={(event) => {
            const wanted = event.currentTarget.valueAsNumber;
            if (wanted >= 1 && wanted <= 4096) setTokens(Math.floor(wanted));
          }} /> tokens</label>
        {running
          ? <button type="button" onClick={() => running.abort()}>Stop</button>
          : <button type="submit" disabled={!props.ready || !text.trim()}>
              Send</button>}
      </form>
    </section>
  );
}
