// A picture of what a terminal shows, for scripts/make-screenshots.sh.
//
//   terminal_picture.mjs SCREEN.html PICTURE.png
import {pathToFileURL} from 'node:url';
import {launchBrowser} from './browser.mjs';

const [screen, picture] = process.argv.slice(2);
const browser = await launchBrowser();
try {
  const page = await browser.newPage({viewport: {width: 2000, height: 1400}});
  await page.goto(pathToFileURL(screen).href);
  await page.addStyleTag({content: `pre {
    display: inline-block; margin: 0; padding: 8px 10px; background: #111;
    font: 14px/1.2 "DejaVu Sans Mono", monospace; }`});
  await page.locator('pre').screenshot({path: picture});
} finally {
  await browser.close();
}
