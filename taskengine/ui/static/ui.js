// Keeps what is seen up to date: pages come whole from the server, and this fetches them anew when
// the server says that something has changed. Without it everything works by reloading.
"use strict";

const up = document.body.dataset.up;
const REFRESH_PAUSE = 700; // ms between two looks at the server, however much changes
const REFRESH_ALWAYS = 15000; // ms; what changes without a job: instances, schedules, ages

// Times in words

const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

function relative(seconds) {
  const whole = Math.floor(Math.abs(seconds));
  if (whole < 2) return "now";
  const [length, unit] = UNITS.find(([one]) => whole >= one);
  const told = `${Math.floor(whole / length)} ${unit}`;
  return seconds > 0 ? `${told} ago` : `in ${told}`;
}

function tellTimes() {
  for (const one of document.querySelectorAll("time[data-relative]")) {
    const told = relative((Date.now() - Date.parse(one.dateTime)) / 1000);
    if (one.textContent !== told) one.textContent = told;
  }
}
setInterval(tellTimes, 5000);

// Parts that are fetched anew

let fetching = false;
let again = false;
let lately = 0;

async function refresh() {
  if (fetching || document.hidden) {
    again = true;
    return;
  }
  fetching = true;
  const wait = lately + REFRESH_PAUSE - performance.now();
  if (wait > 0) await new Promise((go) => setTimeout(go, wait));
  again = false;
  try {
    const answer = await fetch(location.href, { credentials: "same-origin" });
    if (answer.redirected && answer.url.includes("/sign-in")) return location.reload();
    if (answer.ok) replaceParts(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    // the stream tells when the server is back
  } finally {
    lately = performance.now();
    fetching = false;
  }
  if (again) refresh();
}

function replaceParts(fresh) {
  for (const now of document.querySelectorAll("[data-part]")) {
    const next = fresh.getElementById(now.id);
    if (!next || next.outerHTML === now.dataset.seen) continue;
    if (now.querySelector(".menu[open]") || isTyping(now)) continue; // somebody is at it
    const seen = next.outerHTML;
    const focused = now.contains(document.activeElement) ? pathTo(now, document.activeElement) : null;
    const open = [...now.querySelectorAll("details[open]")].map((one) => pathTo(now, one));
    now.toggleAttribute("data-active", next.hasAttribute("data-active"));
    now.replaceChildren(...next.childNodes);
    now.dataset.seen = seen;
    for (const path of open) at(now, path)?.setAttribute("open", "");
    if (focused) at(now, focused)?.focus({ preventScroll: true });
  }
  if (document.title !== fresh.title) document.title = fresh.title;
  tellTimes();
}

const isTyping = (part) => part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea");

function pathTo(root, node) {
  const path = [];
  for (let one = node; one !== root; one = one.parentElement) path.unshift([...one.parentElement.children].indexOf(one));
  return path;
}

const at = (root, path) => path.reduce((one, place) => one?.children[place], root);

// The stream

const light = document.getElementById("live");
let stream = null;

function tellLive(word, on) {
  if (!light) return;
  light.hidden = false;
  light.classList.toggle("on", on);
  if (light.textContent !== word) light.textContent = word;
}

function target() {
  const url = new URL(up + document.body.dataset.live, location.href);
  const lines = document.querySelectorAll("#lines [data-line]");
  if (url.searchParams.has("after") && lines.length) url.searchParams.set("after", lines[lines.length - 1].dataset.line);
  return url;
}

function listen() {
  if (stream || document.hidden) return;
  stream = new EventSource(target());
  stream.onopen = () => {
    tellLive("live", true);
    refresh();
  };
  stream.onerror = () => {
    tellLive("connecting", false);
    if (stream?.readyState === EventSource.CLOSED) {
      stream = null;
      setTimeout(listen, 5000);
    }
  };
  stream.addEventListener("changed", refresh);
  stream.addEventListener("lines", (event) => addLines(JSON.parse(event.data)));
}

function addLines(lines) {
  const body = document.getElementById("lines");
  if (!body) return;
  const scroll = body.closest(".scroll");
  const atEnd = scroll.scrollTop + scroll.clientHeight >= scroll.scrollHeight - 30;
  for (const line of lines) {
    if (body.querySelector(`[data-line="${line.id}"]`)) continue;
    const holder = document.createElement("tbody");
    holder.innerHTML = line.html; // written and escaped by the server
    holder.firstElementChild.classList.add("new");
    body.append(holder.firstElementChild);
  }
  while (body.children.length > 2000) body.firstElementChild.remove();
  if (atEnd) scroll.scrollTop = scroll.scrollHeight;
}

if (document.body.dataset.live) {
  // A hidden page holds no connection: a browser has few of them.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      stream?.close();
      stream = null;
    } else listen();
  });
  addEventListener("pagehide", () => stream?.close());
  listen();
  setInterval(() => document.hidden || refresh(), REFRESH_ALWAYS);
  setInterval(() => document.querySelector("[data-active]") && refresh(), 1000); // it counts, or does
}
for (const one of document.querySelectorAll(".scroll")) one.scrollTop = one.scrollHeight;

// Small helps

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll(".menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  const typing = event.target.matches?.("input, select, textarea");
  if (event.key === "Escape") {
    const menu = event.target.closest?.(".menu[open]") ?? document.querySelector(".menu[open]");
    if (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  } else if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
    const search = document.getElementById("search");
    if (search) {
      event.preventDefault();
      search.focus();
      search.select();
    }
  }
});
document.getElementById("theme")?.addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  const year = 31536000;
  document.cookie = `taskengine-theme=${root.dataset.theme}; path=/; max-age=${year}; samesite=strict`;
});

// The player: HLS by the browser itself where it can, else a film in one file, else a word

for (const video of document.querySelectorAll("video[data-hls]")) {
  const { hls, mp4 } = video.dataset;
  if (video.canPlayType("application/vnd.apple.mpegurl")) video.src = hls;
  else if (mp4) video.src = mp4;
  else {
    const told = document.createElement("p");
    told.className = "empty";
    told.textContent = "This browser plays no HLS by itself; Safari and Chromium do, and any player that is given the file.";
    video.replaceWith(told);
  }
}
