// Watches results in Chromium, some at a time: items as JSON in, what was seen of each as JSON out.
// Its argument is the browser's path.

import { chromium } from "playwright-core";
import { argv } from "node:process";
import { text } from "node:stream/consumers";

const AT_ONCE = 4;

const { site, items } = JSON.parse(await text(process.stdin));
const browser = await chromium.launch({
  executablePath: argv[2],
  args: [
    "--no-sandbox", // the tests may be root
    "--mute-audio",
    "--autoplay-policy=no-user-gesture-required",
    "--enable-blink-features=AudioVideoTracks", // the choice of a language in native HLS
  ],
});

const seen = [];
const waiting = items.entries();
const watch = async () => {
  for (const [place, item] of waiting) {
    const page = await browser.newPage();
    await page.goto(`${site}/player.html`);
    await page.waitForFunction(() => window.watch);
    seen[place] = await page.evaluate((one) => window.watch(one), item);
    await page.close();
  }
};
try {
  await Promise.all(Array.from({ length: AT_ONCE }, watch));
} finally {
  await browser.close();
}
process.stdout.write(JSON.stringify(seen));
