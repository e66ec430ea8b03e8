// A browser that looks at `shoal dashboard`, for dashboard_page_test.cc.
//
//   page.mjs live URL KEY_URL KEY   a fleet that serves, and a page with a key
//   page.mjs ending URL             one whose run ends; prints what is shown
import assert from 'node:assert/strict';
import {launchBrowser} from './browser.mjs';

const patience = 120_000;
const [mode, url, keyUrl, key] = process.argv.slice(2);

// As the page and shoal top write numbers.
function short(value) {
  const size = Math.abs(value);
  return value.toFixed(size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2);
}

function bytes(value) {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  let unit = 0;
  let rest = Number(value);
  for (; rest >= 999.5; rest /= 1024) ++unit;
  return `${rest.toFixed(unit === 0 || rest >= 9.95 ? 0 : 1)} ${units[unit]}`;
}

// What the page shows at one moment, by the names in its data-field.
function shown(page) {
  return page.evaluate(() => {
    const fieldsIn = (root, isOwn) => Object.fromEntries(
        [...root.querySelectorAll('[data-field]')].filter(isOwn)
            .map((field) => [field.dataset.field, field.textContent.trim()]));
    const devices = {};
    for (const row of document.querySelectorAll('[data-device]')) {
      devices[row.dataset.device] = fieldsIn(row, () => true);
    }
    const cells = {};
    for (const cell of document.querySelectorAll('[data-cell]')) {
      cells[cell.dataset.cell] = {
        share: cell.querySelector('[data-field=cell_share]').textContent,
        hub: !!cell.querySelector('.hub'),
        slowest: cell.textContent.includes('slowest'),
      };
    }
    return {
      snapshot: document.querySelector('main')?.dataset.snapshot,
      fields: fieldsIn(document,
          (field) => !field.closest('[data-device], [data-cell]')),
      devices,
      cells,
      events: [...document.querySelectorAll('.events li')]
          .map((line) => line.textContent),
    };
  });
}

// The snapshots that Operator.Watch gave, by their time.
function follow(base) {
  const seen = {snapshots: new Map(), events: []};
  const stop = new AbortController();
  (async () => {
    const response = await fetch(`${base}api/events`, {signal: stop.signal});
    let text = '';
    for await (const piece of response.body.pipeThrough(
        new TextDecoderStream())) {
      text += piece;
      const whole = text.split('\n\n');
      text = whole.pop();
      for (const event of whole) {
        if (!event.startsWith('event: update\n')) continue;
        const update = JSON.parse(event.slice(event.indexOf('data: ') + 6));
        seen.snapshots.set(update.snapshot.time_unix_ms, update.snapshot);
        seen.events.push(...update.events);
      }
    }
  })().catch(() => {});
  return {seen, end: () => stop.abort()};
}

async function until(what, isSo) {
  const giveUp = Date.now() + patience;
  for (;;) {
    const value = await isSo();
    if (value) return value;
    assert(Date.now() < giveUp, `${what}: never`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

function expectSame(page, snapshot) {
  const {fields, devices, cells} = page;
  const requests = snapshot.requests;
  const optional = (value) => value === undefined ? '–' : short(value);
  assert.equal(fields.model_name, snapshot.status.model_name);
  for (const name of ['tokens_per_second_now', 'tokens_per_second_average']) {
    assert.equal(fields[name], short(requests[name]), name);
  }
  assert.equal(fields.time_to_first_token_ms,
               optional(requests.time_to_first_token_ms));
  for (const name of ['running_count', 'queued_count', 'finished_count']) {
    assert.equal(fields[name], String(requests[name]), name);
  }
  assert.equal(fields.ms_per_token_now,
               optional(snapshot.token_now?.ms_per_token));
  assert.equal(fields.ms_per_token_total,
               optional(snapshot.token_total?.ms_per_token));
  assert.equal(fields.predicted_ms_per_token,
               optional(snapshot.predicted_ms_per_token));
  assert.equal(fields.best_single_ms_per_token,
               optional(snapshot.best_single_ms_per_token));
  const parts = ['compute', 'disk', 'wire', 'wait'];
  const token = snapshot.token_now ?? snapshot.token_total;
  for (const part of parts) {
    assert.equal(fields[`token_${part}_ms`], short(token[`${part}_ms`]), part);
  }
  assert.equal(Object.keys(devices).length, snapshot.devices.length);
  for (const device of snapshot.devices) {
    const row = devices[device.status.profile.name];
    for (const name of ['rss_bytes', 'budget_bytes', 'resident_bytes',
                        'streamed_bytes']) {
      assert.equal(row[name], bytes(device[name]), name);
    }
    assert.equal(row.state, device.state.toLowerCase());
    assert.equal(row.read_rate, device.read_rate > 0
      ? `${bytes(device.read_rate)}/s` : '–');
    assert.equal(row.round_trip_ms, device.round_trip_ms === undefined
      ? undefined : short(device.round_trip_ms));
    const time = device.token_now ?? device.token_total;
    for (const part of parts) {
      assert.equal(row[`${part}_ms`],
                   time ? short(time[`${part}_ms`]) : '–', part);
    }
  }
  assert.equal(Object.keys(cells).length, snapshot.cells.length);
  for (const cell of snapshot.cells) {
    assert.deepEqual(cells[`${cell.stage}/${cell.rank}`], {
      share: `${(100 * cell.share).toFixed(0)} %`,
      hub: cell.is_hub,
      slowest: cell.is_slowest,
    });
  }
}

// A page that fails the test where it loads or asks anything elsewhere, or
// says something of a fault.
async function open(browser, where, options = {}) {
  const context = await browser.newContext(
      {locale: 'en-GB', viewport: {width: 1280, height: 800}, ...options});
  const page = await context.newPage();
  page.setDefaultTimeout(patience);
  const faults = [];
  page.on('request', (request) => {
    if (!request.url().startsWith(where)) faults.push(request.url());
  });
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('console', (line) => {
    if (line.type() === 'error') faults.push(line.text());
  });
  await page.goto(where);
  return {page, faults, context};
}

async function generate(page, tokens) {
  await page.getByLabel('at most').fill(String(tokens));
  await page.getByLabel('your text').fill('Once upon a time');
  await page.keyboard.press('Enter');
}

// Until a moment in which the page and the coordinator's snapshot are of the
// same time, and `isWanted`; they have to agree.
async function compare(page, seen, isWanted, what) {
  await until(what, async () => {
    const now = await shown(page);
    const snapshot = seen.snapshots.get(now.snapshot);
    if (!snapshot || !isWanted(snapshot)) return false;
    expectSame(now, snapshot);
    return true;
  });
  console.log(`ok: ${what}`);
}

// One of the devices is taken out, and taken back, by the page's buttons.
async function testDrain(page) {
  page.on('dialog', (dialog) => dialog.accept());
  const isState = async (word) =>
    (await shown(page)).devices['local-2'].state === word;
  await page.getByRole(
      'button', {name: 'drain local-2', exact: true}).click();
  await until('local-2 is drained', () => isState('drained'));
  await page.getByRole(
      'button', {name: 'resume local-2', exact: true}).click();
  await until('local-2 serves again', () => isState('serving'));
  console.log('ok: drain and resume');
}

async function testLive(browser) {
  const {seen, end} = follow(url);
  const {page, faults, context} = await open(browser, url);
  await page.locator('[data-device]').nth(3).waitFor();

  await generate(page, 450);
  await compare(page, seen,
      (snapshot) => snapshot.requests.running_count === 1 &&
          snapshot.token_now !== undefined &&
          snapshot.requests.tokens_per_second_now > 0,
      'the figures while it generates');
  await until('the end of the answer', async () =>
    (await shown(page)).fields.chat_note.includes(' tokens, first after'));
  assert.match(await page.locator('.chat .assistant').textContent(), /\w{3}/);

  await generate(page, 4096);
  await until('the second answer', async () => Number(
      (await shown(page)).fields.running_count) === 1);
  await page.getByRole('button', {name: 'Stop'}).click();
  await compare(page, seen,
      (snapshot) => snapshot.requests.running_count === 0 &&
          Number(snapshot.requests.finished_count) >= 2,
      'Stop ends the generation, and the figures after it');

  const events = (await shown(page)).events;
  assert.equal(events.length, Math.min(256, seen.events.length));
  assert(events[0].includes(seen.events[seen.events.length - 1].text));
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const button = page.locator('.command button').first();
  if (await button.count() > 0) {
    const command = await page.locator('.command code').first().textContent();
    await button.focus();
    await page.keyboard.press('Enter');
    await page.getByText('copied').waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()),
                 command);
  }
  await page.getByPlaceholder('filter by name').fill('local-2');
  assert.deepEqual(Object.keys((await shown(page)).devices), ['local-2']);
  await testDrain(page);
  assert.deepEqual(faults, []);
  end();
  console.log('ok: events, commands, filter');

  for (const colorScheme of ['light', 'dark']) {
    const phone = await open(browser, url,
                             {viewport: {width: 390, height: 844}, colorScheme});
    await phone.page.locator('[data-device]').nth(3).waitFor();
    assert(await phone.page.evaluate(
        () => document.documentElement.scrollWidth) <= 390);
    assert.deepEqual(phone.faults, []);
    await phone.context.close();
  }
  console.log('ok: 390 columns of a phone');

  const locked = await open(browser, keyUrl);
  await locked.page.getByLabel('API key').fill('wrong');
  await locked.page.keyboard.press('Enter');
  await locked.page.getByText('is not the one of this service').waitFor();
  await locked.page.getByLabel('API key').fill(key);
  await locked.page.keyboard.press('Enter');
  await locked.page.locator('[data-device]').nth(3).waitFor();
  console.log('ok: with a key');
}

async function testEnding(browser) {
  const {page} = await open(browser, url);
  await page.getByText('asking again every second').waitFor();
  await until('the last figures', async () =>
    (await shown(page)).fields.fleet_state === 'ended');
  console.log(JSON.stringify(await shown(page)));
}

const browser = await launchBrowser();
try {
  await (mode === 'live' ? testLive : testEnding)(browser);
} finally {
  await browser.close();
}
