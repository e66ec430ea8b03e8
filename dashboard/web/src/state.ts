// What the page knows: the newest snapshot, the events, and what was.
import {nameOf, num, partsOf} from './format';
import {ask, readEvents, WrongKey} from './stream';
import type {FleetEvent, Link, Snapshot, Update} from './types';

const eventCountMax = 256;
const historyMsMax = 20 * 60 * 1000;
const historyCountMax = 4 * 20 * 60;
const retryMs = 1000;

// A moment, for the plots; null: there was none.
export interface Point {
  time: number;  // seconds since 1970
  tokensPerSecond: number;
  parts: (number | null)[];  // milliseconds
  reads: Map<string, number>;  // bytes per second, by device
}

export interface State {
  link: Link;
  snapshot?: Snapshot;
  events: FleetEvent[];  // newest first
  history: Point[];      // oldest first
}

export const state: State = {
  link: {state: 'connecting', message: 'connecting'},
  events: [],
  history: [],
};

let changed = () => {};

function pointOf(snapshot: Snapshot): Point {
  const token = snapshot.token_now;
  return {
    time: num(snapshot.time_unix_ms) / 1000,
    tokensPerSecond: num(snapshot.requests?.tokens_per_second_now),
    parts: partsOf(token).map((part) => (token ? part.ms : null)),
    reads: new Map(
        snapshot.devices.map((device) => [nameOf(device), device.read_rate])),
  };
}

function apply(update: Update): void {
  state.snapshot = update.snapshot;
  const older = update.first ? [] : state.events;
  state.events = [...update.events.reverse(), ...older].slice(0, eventCountMax);
  const point = pointOf(update.snapshot);
  const last = state.history[state.history.length - 1];
  if (last && last.time >= point.time) return;
  state.history.push(point);
  while (state.history.length > historyCountMax ||
         state.history[0].time < point.time - historyMsMax / 1000) {
    state.history.shift();
  }
}

async function follow(): Promise<void> {
  await readEvents(await ask('/api/events'), (name, data) => {
    if (name === 'link') state.link = data;
    if (name === 'update') apply(data);
    changed();
  });
}

// Until the page ends; again after a key was given.
export async function followForever(onChange: () => void): Promise<void> {
  changed = onChange;
  for (;;) {
    try {
      await follow();
      state.link = {state: 'offline', message: 'shoal dashboard has ended'};
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (error instanceof WrongKey) {
        state.link = {state: 'key', message};
        changed();
        return;
      }
      state.link = {
        state: 'offline',
        message: `shoal dashboard does not answer (${message})`,
      };
    }
    changed();
    await new Promise((done) => setTimeout(done, retryMs));
  }
}
