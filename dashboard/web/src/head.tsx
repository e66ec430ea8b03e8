// Model, plan, speed; and the time of a token as one bar.
import {clock, num, partsOf, percent, shortNumber, totalOf} from './format';
import type {Part} from './format';
import type {Link, Snapshot} from './types';

function stateOf(snapshot: Snapshot): [word: string, kind: string] {
  if (snapshot.ending) return ['ended', 'bad'];
  if (snapshot.status?.failure) return ['not running', 'bad'];
  if (!snapshot.status?.model_name) return ['no model yet', 'warn'];
  return snapshot.status.ready ? ['ready', 'good'] : ['loading', 'warn'];
}

function planText(snapshot: Snapshot): string {
  const plan = snapshot.plan;
  if (!plan) return 'no plan';
  const stages = Math.max(1, plan.stages.length - 1);
  return `plan ${plan.epoch}: ${plan.device_names.length} devices, ` +
      `${stages} ${stages === 1 ? 'stage' : 'stages'}`;
}

function Figure(props: {
  field: string; name: string; value: string; unit?: string; big?: boolean;
}) {
  return (
    <div class={props.big ? 'figure big' : 'figure'}>
      <dt>{props.name}</dt>
      <dd>
        <b data-field={props.field}>{props.value}</b>
        {props.unit && <span> {props.unit}</span>}
      </dd>
    </div>
  );
}

function optional(value: number | undefined): string {
  return value === undefined ? '–' : shortNumber(value);
}

export function Title(props: {snapshot: Snapshot; link: Link}) {
  const {snapshot, link} = props;
  const [word, kind] = stateOf(snapshot);
  return (
    <header class="title">
      <h1>
        <img src="/icon.svg" alt="" width="28" height="28" /> Shoal
      </h1>
      <span class="model" data-field="model_name">
        {snapshot.status?.model_name || 'no model'}
      </span>
      <span class={`badge ${kind}`} data-field="fleet_state">{word}</span>
      <span data-field="plan">{planText(snapshot)}</span>
      <span class="faint">
        coordinator {snapshot.status?.coordinator_name}
        {link.state === 'live' ? ` at ${link.message}` : ''},{' '}
        <time data-field="time">{clock(snapshot.time_unix_ms)}</time>
      </span>
    </header>
  );
}

export function Figures(props: {snapshot: Snapshot}) {
  const {snapshot} = props;
  const requests = snapshot.requests;
  return (
    <dl class="figures">
      <Figure big field="tokens_per_second_now" name="tokens/s now"
              value={shortNumber(num(requests?.tokens_per_second_now))} />
      <Figure field="tokens_per_second_average" name="average"
              value={shortNumber(num(requests?.tokens_per_second_average))}
              unit="tokens/s" />
      <Figure field="time_to_first_token_ms" name="first token after"
              value={optional(requests?.time_to_first_token_ms)} unit="ms" />
      <Figure big field="ms_per_token_now" name="a token takes now"
              value={optional(snapshot.token_now?.ms_per_token)} unit="ms" />
      <Figure field="ms_per_token_total" name="since the start"
              value={optional(snapshot.token_total?.ms_per_token)} unit="ms" />
      <Figure field="predicted_ms_per_token" name="predicted"
              value={optional(snapshot.predicted_ms_per_token)} unit="ms" />
      {snapshot.best_single_device !== undefined &&
        <Figure field="best_single_ms_per_token"
                name={`alone: ${snapshot.best_single_device}`}
                value={optional(snapshot.best_single_ms_per_token)}
                unit="ms" />}
      <div class="figure">
        <dt>requests</dt>
        <dd>
          <b data-field="running_count">{num(requests?.running_count)}</b>
          <span> running, </span>
          <b data-field="queued_count">{num(requests?.queued_count)}</b>
          <span> queued, </span>
          <b data-field="finished_count">{num(requests?.finished_count)}</b>
          <span> done</span>
          {num(requests?.refused_count) > 0 &&
            <span class="warn">, {num(requests?.refused_count)} refused</span>}
        </dd>
      </div>
    </dl>
  );
}

// Widths are relative to `full` milliseconds. Parts differ in pattern, too.
export function Bar(props: {parts: Part[]; full: number; labels?: boolean}) {
  const {parts, full, labels} = props;
  const said = parts.map((part) => `${part.name} ${shortNumber(part.ms)} ms`);
  return (
    <div class="bar" role="img" aria-label={said.join(', ')}>
      {parts.map((part) => {
        const share = full > 0 ? part.ms / full : 0;
        return (
          <div key={part.id} class={`part ${part.id}`}
               style={{width: `${(100 * share).toFixed(3)}%`}}
               title={`${part.name}: ${shortNumber(part.ms)} ms`}>
            {labels && share > 0.11 &&
              <span class="label">{part.name} {shortNumber(part.ms)}</span>}
          </div>
        );
      })}
    </div>
  );
}

export function TokenBar(props: {snapshot: Snapshot}) {
  const {snapshot} = props;
  const token = snapshot.token_now ?? snapshot.token_total;
  const parts = partsOf(token);
  const full = totalOf(parts);
  return (
    <section aria-labelledby="token-heading" class="token">
      <h2 id="token-heading">
        Where the time of a token goes
        <span class="faint">
          {snapshot.token_now
            ? ' now'
            : token ? ' (mean since the start; nothing is generated now)'
                    : ' (nothing was generated yet)'}
        </span>
      </h2>
      <Bar parts={parts} full={full} labels />
      <ul class="legend">
        {parts.map((part) => (
          <li key={part.id}>
            <i class={`swatch ${part.id}`} /> {part.name}{' '}
            <b data-field={`token_${part.id}_ms`}>{shortNumber(part.ms)}</b> ms
            <span class="faint"> {percent(part.ms, full)}</span>
            {part.id === 'wait' &&
              <span class="faint"> for the slowest</span>}
          </li>
        ))}
      </ul>
    </section>
  );
}
