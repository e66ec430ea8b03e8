// The official client against a running `shoal serve`, as a user would write
// it. Reads SHOAL_URL and SHOAL_KEY; ends with exit code 0 if all holds.
import assert from 'node:assert/strict';
import OpenAI from 'openai';

const baseURL = `${process.env.SHOAL_URL}/v1`;
const client = new OpenAI({
  baseURL,
  apiKey: process.env.SHOAL_KEY,
  maxRetries: 0,
});
const model = (await client.models.list()).data[0].id;

const PROMPTS = [
  'Once upon a time',
  'One day, Tom and his dog',
  'The little bird was sad because',
  'Lily had a big red ball.',
];

function request(prompt, more = {}) {
  return {
    model,
    messages: [{role: 'user', content: prompt}],
    temperature: 0,
    max_completion_tokens: 60,
    ...more,
  };
}

async function streamed(prompt, more = {}) {
  const stream = await client.chat.completions.create(
      request(prompt, {stream: true, ...more}));
  const got = {text: '', pieces: 0, usage: null, finish: null, logprobs: []};
  for await (const chunk of stream) {
    assert.equal(chunk.object, 'chat.completion.chunk');
    if (chunk.usage) got.usage = chunk.usage;
    const choice = chunk.choices[0];
    if (!choice) continue;
    if (choice.delta.content) {
      got.text += choice.delta.content;
      got.pieces += 1;
    }
    got.logprobs.push(...(choice.logprobs?.content ?? []));
    got.finish = choice.finish_reason ?? got.finish;
  }
  return got;
}

// The value of a line of /metrics.
async function metric(name) {
  const answer = await fetch(`${process.env.SHOAL_URL}/metrics`, {
    headers: {Authorization: `Bearer ${process.env.SHOAL_KEY}`},
  });
  for (const line of (await answer.text()).split('\n')) {
    if (line.startsWith(`${name} `)) return Number(line.slice(name.length));
  }
  throw new Error(`no ${name} in /metrics`);
}

const checks = {
  async 'a stream is the same text in pieces, with usage at its end'() {
    const whole = await client.chat.completions.create(request(PROMPTS[0]));
    const got = await streamed(
        PROMPTS[0], {stream_options: {include_usage: true}});
    assert.equal(got.text, whole.choices[0].message.content);
    assert.ok(got.pieces > 20, `${got.pieces} pieces`);
    assert.equal(got.finish, 'length');
    assert.equal(got.usage.completion_tokens, 60);
    assert.equal(got.usage.prompt_tokens, whole.usage.prompt_tokens);
    assert.equal(
        got.usage.total_tokens, 60 + got.usage.prompt_tokens);
  },

  async 'log-probabilities come with their tokens, best first'() {
    const got = await streamed(PROMPTS[1], {logprobs: true, top_logprobs: 3});
    assert.equal(got.logprobs.length, 60);
    const bytes = got.logprobs.flatMap((token) => token.bytes);
    assert.equal(Buffer.from(bytes).toString(), got.text);
    for (const token of got.logprobs) {
      assert.equal(token.top_logprobs.length, 3);
      assert.equal(token.top_logprobs[0].token, token.token);
      assert.ok(token.logprob <= 0);
      assert.ok(
          token.top_logprobs[1].logprob >= token.top_logprobs[2].logprob);
    }
  },

  async 'a stop string ends the text before it, parts of text are joined'() {
    const parts = [{type: 'text', text: 'Once upon'},
                   {type: 'text', text: ' a time'}];
    const whole = await client.chat.completions.create(request(PROMPTS[0]));
    const got = await client.chat.completions.create({
      ...request(''), stop: ['.'], messages: [{role: 'user', content: parts}],
    });
    const text = whole.choices[0].message.content;
    assert.equal(got.choices[0].message.content,
                 text.slice(0, text.indexOf('.')));
    assert.equal(got.choices[0].finish_reason, 'stop');
  },

  async 'text completions, and a seed makes chance repeatable'() {
    const ask = (seed) => client.completions.create(
        {model, prompt: PROMPTS[0], seed, max_tokens: 40, top_p: 0.95});
    const [one, same, other] = [await ask(7), await ask(7), await ask(8)];
    assert.equal(one.choices[0].text, same.choices[0].text);
    assert.notEqual(one.choices[0].text, other.choices[0].text);
  },

  async 'a client that cancels ends its generation'() {
    const name = 'shoal_requests_total{end="cancelled"}';
    const before = await metric(name);
    const stream = await client.chat.completions.create(
        request(PROMPTS[2], {stream: true, max_completion_tokens: 400}));
    let pieces = 0;
    for await (const chunk of stream) {
      assert.ok(chunk.choices.length <= 1);
      if (++pieces === 3) break;  // the client closes the connection
    }
    const deadline = Date.now() + 10_000;
    while (await metric(name) === before) {
      assert.ok(Date.now() < deadline, 'it was not cancelled');
    }
  },

  async 'four at once all get the text that each gets alone'() {
    const alone = [];
    for (const prompt of PROMPTS) alone.push((await streamed(prompt)).text);
    const before = await metric('shoal_pass_seconds_count');
    const together = await Promise.all(PROMPTS.map((p) => streamed(p)));
    assert.deepEqual(together.map((got) => got.text), alone);
    const passes = await metric('shoal_pass_seconds_count') - before;
    assert.ok(passes < 200, `${passes} passes for 4 x 60 tokens`);
  },

  async 'errors are the client\'s own classes'() {
    const refusal = async (more, kind, status) => {
      const error = await client.chat.completions.create(request('Hi', more))
                        .then(() => null, (e) => e);
      assert.ok(error instanceof kind, String(error));
      assert.equal(error.status, status);
      return error;
    };
    const many = await refusal({n: 2}, OpenAI.BadRequestError, 400);
    assert.equal(many.param, 'n');
    const long = 'word '.repeat(2000);
    const full = await refusal({messages: [{role: 'user', content: long}]},
                               OpenAI.BadRequestError, 400);
    assert.equal(full.code, 'context_length_exceeded');
    const unknown = await refusal({model: 'x'}, OpenAI.NotFoundError, 404);
    assert.equal(unknown.code, 'model_not_found');
    const stranger = new OpenAI({baseURL, apiKey: 'guess', maxRetries: 0});
    await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError);
  },
};

for (const [name, check] of Object.entries(checks)) {
  await check();
  console.log(`ok: ${name}`);
}
