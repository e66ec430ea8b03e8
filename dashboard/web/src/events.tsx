// What happened, newest first, with the command to copy.
import {useState} from 'preact/hooks';
import {clock} from './format';
import type {FleetEvent} from './types';

const kinds: Record<string, [word: string, kind: string]> = {
  INFO: ['info', 'faint'],
  WARNING: ['warning', 'warn'],
  ERROR: ['error', 'bad'],
};

async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Browsers give no clipboard to pages of other machines without TLS.
    const field = document.createElement('textarea');
    field.value = text;
    document.body.append(field);
    field.select();
    const done = document.execCommand('copy');
    field.remove();
    return done;
  }
}

function Command(props: {text: string}) {
  const [said, setSaid] = useState('copy');
  return (
    <div class="command">
      <code>{props.text}</code>
      <button type="button" aria-label={`copy the command ${props.text}`}
              onClick={async () => {
                setSaid(await copy(props.text) ? 'copied' : 'not allowed');
                setTimeout(() => setSaid('copy'), 2000);
              }}>{said}</button>
    </div>
  );
}

export function Events(props: {events: FleetEvent[]}) {
  return (
    <section aria-labelledby="events-heading" class="events">
      <h2 id="events-heading">
        Events <span class="faint">newest first</span>
      </h2>
      <ol class="scroll" tabIndex={0} aria-label="events, newest first">
        {props.events.map((event) => {
          const [word, kind] = kinds[event.severity] ?? ['?', 'warn'];
          return (
            <li key={`${event.number}/${event.time_unix_ms}`}>
              <time class="faint">{clock(event.time_unix_ms)}</time>{' '}
              <span class={kind}>{word}</span>{' '}
              {event.device && <b>{event.device}: </b>}
              {event.text}
              {event.command && <Command text={event.command} />}
            </li>
          );
        })}
        {props.events.length === 0 && <li class="faint">none</li>}
      </ol>
    </section>
  );
}
