// A picture of the page of `shoal dashboard`, for scripts/make-screenshots.sh:
// after a quarter of a minute of what the fleet does.
//
//   page_picture.mjs URL PICTURE.png
import {launchBrowser} from './browser.mjs';

const [url, picture] = process.argv.slice(2);
const browser = await launchBrowser();
try {
  const page = await browser.newPage(
      {locale: 'en-GB', viewport: {width: 1280, height: 800}});
  await page.goto(url);
  await page.locator('[data-device]').first().waitFor();
  await page.waitForTimeout(15_000);
  await page.screenshot({path: picture, fullPage: true});
} finally {
  await browser.close();
}
