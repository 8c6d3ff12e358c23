// Looks at pages in Chromium: what to look at as JSON in, what was seen as JSON out. Its argument is
// the browser's path. Pages on which nothing is done are looked at some at a time.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { argv } from "node:process";
import { text } from "node:stream/consumers";

const players = createRequire(new URL("../players/package.json", import.meta.url));
const { chromium } = players("playwright-core");
const axe = readFileSync(players.resolve("axe-core/axe.min.js"), "utf8");
const WAIT = 30_000; // ms for what has to become true
const AT_ONCE = 3;

const { site, key, items } = JSON.parse(await text(process.stdin));
const browser = await chromium.launch({
  executablePath: argv[2],
  args: ["--no-sandbox", "--mute-audio", "--autoplay-policy=no-user-gesture-required"],
});

// By client and how a page is shown: signing in once is enough.
const contexts = new Map();

async function contextFor({ client, width, dark }) {
  const name = `${client} ${width} ${dark}`;
  if (!contexts.has(name)) contexts.set(name, opened(client, width, dark));
  return contexts.get(name);
}

async function opened(client, width, dark) {
  const context = await browser.newContext({
    viewport: { width, height: width < 600 ? 800 : 900 },
    colorScheme: dark ? "dark" : "light",
    reducedMotion: "reduce",
    bypassCSP: false,
  });
  context.setDefaultTimeout(WAIT);
  if (client) await signIn(context, client);
  return context;
}

async function signIn(context, client) {
  const page = await context.newPage();
  await page.goto(`${site}/ui/sign-in`);
  await page.getByLabel("Client").fill(client);
  await page.getByLabel("Key").fill(key);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForSelector(".who");
  await page.close();
}

async function look(item) {
  const page = await (await contextFor(item)).newPage();
  const seen = { complaints: [], problems: [], texts: [] };
  page.on("console", (message) => message.type() === "error" && seen.complaints.push(message.text()));
  page.on("pageerror", (error) => seen.complaints.push(String(error)));
  const answer = await page.goto(`${site}/ui/${item.path}`);
  seen.status = answer.status();
  for (const step of item.steps ?? []) seen.texts.push(await act(page, step));
  seen.wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (item.axe !== false) seen.problems = await accessible(page);
  await page.close();
  return seen;
}

// Run as a debugger does, past the page's policy, which allows no such script.
async function accessible(page) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return found.violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.html.slice(0, 160)).join(" | ").slice(0, 400)}`);
}

// A step names what to press, fill, open or wait for; its answer is a text of the page, or nothing.
async function act(page, { press, fill, value, wait, gone, read, evaluate, keys, moved }) {
  if (keys) await page.keyboard.press(keys);
  if (fill) await page.locator(fill).first().fill(value);
  if (press) {
    const click = page.locator(press).first().click();
    await Promise.all(moved ? [page.waitForNavigation(), click] : [click]);
  }
  if (wait) await page.waitForSelector(wait);
  if (gone) await page.waitForSelector(gone, { state: "detached" });
  if (evaluate) return page.evaluate(`(${evaluate})()`);
  return read ? (await page.locator(read).first().innerText()).trim() : null;
}

const seen = Array(items.length);
const all = [...items.entries()];
const still = all.filter(([, item]) => !item.steps).values();
const alive = all.filter(([, item]) => item.steps).values();

async function lookAt(waiting) {
  for (const [place, item] of waiting)
    seen[place] = await look(item).catch((error) => ({ failure: `${item.name}: ${error}` }));
}

try {
  await Promise.all(Array.from({ length: AT_ONCE }, () => lookAt(still)));
  await lookAt(alive); // one after another: they change what is seen
} finally {
  await browser.close();
}
process.stdout.write(JSON.stringify(seen));
