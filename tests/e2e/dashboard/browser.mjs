// The headless Chromium that tests and pictures use: $SHOAL_CHROMIUM, that of
// the system, or the one from npm.
import {execFileSync} from 'node:child_process';
import {chromium} from 'playwright-core';

async function path() {
  if (process.env.SHOAL_CHROMIUM) return process.env.SHOAL_CHROMIUM;
  try {
    return execFileSync('which', ['chromium'], {encoding: 'utf8'}).trim();
  } catch {
    return (await import('@sparticuz/chromium')).default.executablePath();
  }
}

export async function launchBrowser() {
  return chromium.launch({
    executablePath: await path(),
    args: ['--no-sandbox', '--headless=new', '--disable-gpu'],
  });
}
