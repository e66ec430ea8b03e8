// A row for each device; on a narrow screen a card.
import {useState} from 'preact/hooks';
import {nameOf, num, partsOf, percent, rate, shortBytes, shortNumber, totalOf}
  from './format';
import {Bar} from './head';
import {ask} from './stream';
import type {Device, Snapshot} from './types';

const warmC = 75;
const batteryLow = 15;

const states: Record<string, [word: string, kind: string]> = {
  JOINED: ['joined', 'warn'],
  LOADING: ['loading', 'warn'],
  SERVING: ['serving', 'good'],
  SILENT: ['silent', 'bad'],
  FAILED: ['failed', 'bad'],
  LOST: ['lost', 'bad'],
  DRAINED: ['drained', 'warn'],
};

function stateText(device: Device): string {
  const word = states[device.state]?.[0] ?? '?';
  const total = num(device.load_bytes_total);
  if (device.state !== 'LOADING' || total === 0) return word;
  return `${word} ${percent(num(device.load_bytes_done), total)}`;
}

function Memory(props: {device: Device}) {
  const {device} = props;
  const used = num(device.rss_bytes);
  const cap = num(device.budget_bytes);
  if (!device.has_report || cap === 0) return <span>–</span>;
  return (
    <>
      <meter min={0} max={cap} value={Math.min(used, cap)} high={cap * 0.97}
             aria-label="memory used of the cap" />
      <span>
        <b data-field="rss_bytes">{shortBytes(used)}</b> of{' '}
        <b data-field="budget_bytes">{shortBytes(cap)}</b>
        {used > cap && <span class="bad"> over!</span>}
      </span>
    </>
  );
}

function Weights(props: {device: Device}) {
  const {device} = props;
  const share = num(device.share_bytes);
  if (share === 0) return <span>–</span>;
  const resident = num(device.resident_bytes);
  return (
    <>
      <div class="bar thin" role="img"
           aria-label={`${percent(resident, share)} kept in memory`}>
        <div class="part kept" style={{width: `${(100 * resident) / share}%`}} />
        <div class="part read"
             style={{width: `${(100 * num(device.streamed_bytes)) / share}%`}} />
      </div>
      <span>
        <b data-field="resident_bytes">{shortBytes(resident)}</b> kept,{' '}
        <b data-field="streamed_bytes">
          {shortBytes(num(device.streamed_bytes))}
        </b> read
      </span>
    </>
  );
}

function Machine(props: {device: Device}) {
  const health = props.device.health;
  const facts: preact.JSX.Element[] = [];
  if (health?.load !== undefined) {
    facts.push(<span>load {health.load.toFixed(1)}/{health.core_count}</span>);
  }
  if (health?.clock_mhz !== undefined) {
    facts.push(<span>{health.clock_mhz.toFixed(0)} MHz</span>);
  }
  if (health?.temperature_c !== undefined) {
    const hot = health.temperature_c >= warmC;
    facts.push(
      <span class={hot ? 'warn' : ''}>
        {health.temperature_c.toFixed(0)} °C{hot ? ' hot!' : ''}
      </span>);
  }
  if (health?.battery_percent !== undefined) {
    const low = health.battery_percent < batteryLow;
    facts.push(
      <span class={low ? 'warn' : ''}>
        battery {health.battery_percent.toFixed(0)} %
        {health.battery_discharging ? '' : ' charging'}{low ? ' low!' : ''}
      </span>);
  }
  if (facts.length === 0) return <span>–</span>;
  return <>{facts.map((fact, i) => <div key={i}>{fact}</div>)}</>;
}

type Change = (kind: 'drain' | 'resume' | 'replan', device: string) => void;

// What can be done with a device; the coordinator refuses the rest.
function ChangeButton(props: {device: Device; change: Change}) {
  const {device, change} = props;
  if (device.status?.is_coordinator) return null;
  const kind = device.status?.is_drained ? 'resume' : 'drain';
  const name = nameOf(device);
  return (
    <button type="button" class="small" aria-label={`${kind} ${name}`}
            onClick={() => change(kind, name)}>{kind}</button>
  );
}

function Row(props: {
  device: Device; allBytes: number; fullMs: number; change: Change;
}) {
  const {device, allBytes, fullMs} = props;
  const parts = partsOf(device.token_now ?? device.token_total);
  const share = num(device.status?.share_bytes);
  const kind = states[device.state]?.[1] ?? 'warn';
  return (
    <tr data-device={nameOf(device)}>
      <th scope="row">
        <span class="name">{nameOf(device)}</span>
        <span class={`badge ${kind}`} data-field="state">
          {stateText(device)}
        </span>
        <div class="faint">
          {device.status?.is_coordinator ? 'coordinator, ' : ''}
          {device.isa} × {device.threads}
        </div>
        <ChangeButton device={device} change={props.change} />
      </th>
      <td data-label="share">
        <b data-field="share">
          {device.status?.rank === undefined ? '–' : percent(share, allBytes)}
        </b>
      </td>
      <td data-label="memory"><Memory device={device} /></td>
      <td data-label="weights"><Weights device={device} /></td>
      <td data-label="disk reads"><b data-field="read_rate">
        {rate(device.read_rate)}</b>
        <div class="faint">{device.io_engine.split(',')[0]}</div>
      </td>
      <td data-label="network">
        <div>↑ {rate(device.sent_rate)} ↓ {rate(device.received_rate)}</div>
        {device.round_trip_ms !== undefined &&
          <div class="faint">
            round trip <b data-field="round_trip_ms">
              {shortNumber(device.round_trip_ms)}</b> ms
          </div>}
      </td>
      <td data-label="machine"><Machine device={device} /></td>
      <td data-label="of a token" class="time">
        <Bar parts={parts} full={fullMs} />
        <div class="numbers">
          {parts.map((part) => (
            <span key={part.id}>
              <i class={`swatch ${part.id}`} />{' '}
              <span class="word">{part.name} </span>
              <b data-field={`${part.id}_ms`}>
                {totalOf(parts) > 0 ? shortNumber(part.ms) : '–'}
              </b>
            </span>
          ))}
        </div>
      </td>
    </tr>
  );
}

export function Devices(props: {snapshot: Snapshot}) {
  const [filter, setFilter] = useState('');
  const [note, setNote] = useState('');
  const change: Change = async (kind, device) => {
    const question = kind === 'replan'
      ? 'Plan again for the devices that are here?' : `${kind} ${device}?`;
    if (!confirm(question)) return;
    setNote('asking the coordinator');
    try {
      const answer = await ask('/api/change', {
        method: 'POST', body: JSON.stringify({change: kind, device}),
      });
      setNote(`${(await answer.json()).text}; how it ends is among the events`);
    } catch (error) {
      setNote(`refused: ${(error as Error).message}`);
    }
  };
  const all = props.snapshot.devices;
  const shown = all.filter((device) => nameOf(device).includes(filter));
  const allBytes = all.reduce(
      (sum, device) => sum + num(device.status?.share_bytes), 0);
  const fullMs = Math.max(0, ...all.map(
      (device) => totalOf(partsOf(device.token_now ?? device.token_total))));
  return (
    <section aria-labelledby="devices-heading" class="devices">
      <h2 id="devices-heading">
        Devices <span class="faint">
          {shown.length < all.length ? `${shown.length} of ${all.length}`
                                     : all.length}
        </span>
        <input type="search" value={filter} placeholder="filter by name"
               aria-label="show devices with this in their name"
               onInput={(event) => setFilter(event.currentTarget.value)} />
        <button type="button" onClick={() => change('replan', '')}>
          replan</button>
      </h2>
      <p role="status" data-field="change_note">{note}</p>
      <table>
        <thead>
          <tr>
            <th scope="col">device</th>
            <th scope="col">share</th>
            <th scope="col">memory</th>
            <th scope="col">weights</th>
            <th scope="col">disk reads</th>
            <th scope="col">network</th>
            <th scope="col">machine</th>
            <th scope="col">of a token, ms</th>
          </tr>
        </thead>
        <tbody>
          {shown.map((device) => (
            <Row key={nameOf(device)} device={device} allBytes={allBytes}
                 fullMs={fullMs} change={change} />
          ))}
        </tbody>
      </table>
    </section>
  );
}
