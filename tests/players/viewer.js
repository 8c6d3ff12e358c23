// What a viewer does with a result, and what is seen and heard of it.

import { errors, players } from "/players.js";

const video = document.getElementById("video");
const WIDTH = 320, HEIGHT = 192, ROWS = 24, BITS = 16; // of pictures, and of their bar codes
const FRAME = 1 / 25; // seconds
const PATIENCE = 60_000; // milliseconds for what would never come
const AFTERWARDS = 25; // pictures that are watched of another loop
const QUIET = -60; // dB; nothing is heard

const canvas = new OffscreenCanvas(WIDTH, HEIGHT).getContext("2d", { willReadFrequently: true });

// Wait until something is so; what did not come in time is told by its name.
const until = (name, condition) => new Promise((ready, fail) => {
  const end = performance.now() + PATIENCE;
  const look = () => {
    const found = condition();
    if (found) ready(found);
    else if (performance.now() > end) fail(new Error(`${name} never came`));
    else setTimeout(look, 20);
  };
  look();
});

// The number in the bar code of the picture that is shown.
const pictured = () => {
  canvas.drawImage(video, 0, 0, WIDTH, HEIGHT);
  const { data } = canvas.getImageData(0, ROWS / 4, WIDTH, 1);
  const block = WIDTH / BITS;
  return [...Array(BITS).keys()].reduce(
    (sum, bit) => sum + (data[4 * (bit * block + block / 2)] > 125 ? 2 ** bit : 0), 0);
};

let analyser;
const listen = () => {
  const context = new AudioContext();
  analyser = new AnalyserNode(context, { fftSize: 4096, smoothingTimeConstant: 0 });
  context.createMediaElementSource(video).connect(analyser).connect(context.destination);
};

// The pitch that is heard, in hertz; 0: silence.
const pitch = () => {
  const levels = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(levels);
  const loudest = levels.indexOf(Math.max(...levels));
  return levels[loudest] < QUIET ? 0 : loudest * analyser.context.sampleRate / analyser.fftSize;
};

const captions = () => [...video.textTracks]
  .filter((track) => track.mode === "showing")
  .flatMap((track) => [...(track.activeCues ?? [])].map((cue) => cue.text));

// dash.js pauses for a moment while it replaces what is loaded, which interrupts a call to play; a
// viewer would press the button again.
const play = () => video.play().catch((error) => {
  if (error.name === "AbortError") setTimeout(play, 100);
  else errors.push(error.message);
});

// Jump somewhere while it plays; gives the first picture seen there, of the height that is wanted:
// its time and its number. A picture of before may still come up after the jump.
const seek = async (asked, height) => {
  let picture;
  const look = () => video.requestVideoFrameCallback((_, { mediaTime }) => {
    const isThere = !video.seeking && mediaTime > asked - FRAME;
    const isWanted = !height || video.videoHeight === height;
    if (!isThere || !isWanted) return look();
    picture = { asked, time: mediaTime, number: pictured(), height: video.videoHeight };
  });
  video.currentTime = asked;
  look();
  play();
  await until(`the picture at ${asked}`, () => picture);
  return picture;
};

// The same while it plays: on a busy machine a film may end before a choice takes effect.
const untilPlayed = (name, condition) => until(name, () => {
  if (video.ended) { video.currentTime = 0; play(); }
  return condition();
});

// Take each language, and listen and read; gives pitches and captions by language.
const sampleLanguages = async (player, { pitches, words }) => {
  const heard = {}, read = {};
  for (const [language, wanted] of Object.entries(words)) {
    player.chooseText(language);
    await untilPlayed(`a caption of ${language}`, () => captions().some((text) => text.includes(wanted)));
    read[language] = { time: video.currentTime, texts: captions() };
  }
  for (const [language, wanted] of Object.entries(pitches)) {
    player.chooseAudio(language);
    await untilPlayed(`the sound of ${language}`, () => Math.abs(pitch() - wanted) < 20);
    heard[language] = Math.round(pitch());
  }
  return { heard, read };
};

const playToTheEnd = async () => {
  video.playbackRate = 2;
  await until("the end", () => video.ended);
  video.playbackRate = 1;
  return video.currentTime;
};

const watchWhole = async (player, seen, { url, keys, seeks, ...expected }) => {
  Object.assign(seen, { seeks: [], ends: [] });
  await player.load(url, keys, Object.keys(expected.words)[0]);
  await video.play();
  await until("the first pictures", () => video.currentTime > 0.2);
  seen.tracks = { audio: player.audio(), text: player.text(), heights: player.heights() };
  Object.assign(seen, await sampleLanguages(player, expected));
  seen.ends.push(await playToTheEnd());
  seen.frames = video.getVideoPlaybackQuality().totalVideoFrames;
  for (const { time, height } of seeks) {
    if (height) player.chooseHeight(height);
    seen.seeks.push(await seek(time, height));
  }
  seen.ends.push(await playToTheEnd());
  seen.times = await player.times?.();
};

// A stream that loops, from where the player joins until a loop has gone over into another: each
// picture that is shown, its time and its number.
const watchLive = async (player, seen, { url }) => {
  const shown = seen.shown = [];
  const look = () => video.requestVideoFrameCallback((_, { mediaTime }) => {
    shown.push({ time: mediaTime, number: pictured() });
    look();
  });
  look();
  await player.load(url);
  await video.play();
  const isBehindALoop = () => shown.some(
    ({ number }, place) => place > 0 && place < shown.length - AFTERWARDS
      && number < shown[place - 1].number);
  await until("another loop", isBehindALoop);
  await until("its sound", () => seen.pitch = Math.round(pitch()));
  seen.edge = player.edge();
};

window.watch = async ({ player: name, live, ...item }) => {
  const seen = { errors };
  try {
    listen();
    await (live ? watchLive : watchWhole)(players[name], seen, item);
  } catch (error) {
    seen.failure = error.message ?? `${error.code}`;
  }
  return { ...seen, duration: video.duration };
};
