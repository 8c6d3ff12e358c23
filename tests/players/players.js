// One interface to four players: what they loaded, and how a viewer chooses.
//
// Each has load(url, keys, language), audio(), text() and heights() (what there is to choose from),
// and chooseAudio(language), chooseText(language), chooseHeight(pixels). `language` is the first one
// of which captions are wanted. times() is when segments of pictures begin, as it read that.

const video = document.getElementById("video");
export const errors = [];

// What hls.js tells of a slow machine and of every jump; none of it is a fault of the media.
const HARMLESS = ["bufferStalledError", "bufferNudgeOnStall", "aborted"];

video.addEventListener("error", () => errors.push(`video: ${video.error.message}`));

// Chromium's own HLS shows no captions, and a switch of languages spares what is buffered.
const native = {
  load: async (url) => { video.src = url; },
  audio: () => [...video.audioTracks].map((track) => track.language),
  text: () => [...video.textTracks].map((track) => track.language),
  heights: () => [],
  chooseAudio: (language) => {
    for (const track of video.audioTracks) track.enabled = track.language === language;
  },
};

let hls, listed, liveEdge;
const hlsjs = {
  load: (url) => new Promise((ready) => {
    hls = new Hls();
    hls.on(Hls.Events.ERROR, (_, said) => {
      if (HARMLESS.includes(said.details) && !said.fatal) return;
      errors.push(`${said.details}${said.fatal ? ", fatal" : ""}: ${said.error?.message}`);
    });
    hls.on(Hls.Events.MANIFEST_PARSED, () => ready());
    hls.on(Hls.Events.LEVEL_LOADED, (_, { details }) => {
      listed ??= details.fragments.map((one) => one.start);
      liveEdge ??= { time: details.edge, target: details.targetduration };
    });
    hls.loadSource(url);
    hls.attachMedia(video);
  }),
  audio: () => hls.audioTracks.map((track) => track.lang),
  text: () => hls.subtitleTracks.map((track) => track.lang),
  heights: () => hls.levels.map((level) => level.height),
  times: () => listed,
  edge: () => liveEdge,
  chooseAudio: (language) => {
    hls.audioTrack = hls.audioTracks.findIndex((track) => track.lang === language);
  },
  chooseText: (language) => {
    hls.subtitleDisplay = true;
    hls.subtitleTrack = hls.subtitleTracks.findIndex((track) => track.lang === language);
  },
  chooseHeight: (pixels) => {
    hls.currentLevel = hls.levels.findIndex((level) => level.height === pixels);
  },
};

let dash;
const loaded = new Set();
const trackIn = (kind, language) =>
  dash.getTracksFor(kind).find((track) => track.lang === language);
const dashjs_ = {
  load: (url, keys) => new Promise((ready) => {
    dash = dashjs.MediaPlayer().create();
    dash.updateSettings({ streaming: { abr: { autoSwitchBitrate: { video: false } } } });
    dash.on("error", (said) => errors.push(JSON.stringify(said.error ?? said)));
    dash.on("streamInitialized", () => ready());
    dash.on("fragmentLoadingCompleted", ({ request }) => {
      if (request.mediaType === "video" && request.type === "MediaSegment") loaded.add(request.startTime);
    });
    if (keys) dash.setProtectionData({ "org.w3.clearkey": { clearkeys: base64(keys) } });
    dash.initialize(video, url, false);
  }),
  audio: () => dash.getTracksFor("audio").map((track) => track.lang),
  text: () => dash.getTracksFor("text").map((track) => track.lang),
  heights: () => dash.getRepresentationsByType("video").map((one) => one.height),
  times: () => [...loaded].sort((a, b) => a - b),
  chooseAudio: (language) => dash.setCurrentTrack(trackIn("audio", language)),
  chooseText: (language) => {
    dash.enableText(true);
    dash.setTextTrack(dash.getTracksFor("text").findIndex((track) => track.lang === language));
  },
  chooseHeight: (pixels) => {
    const found = dash.getRepresentationsByType("video").find((one) => one.height === pixels);
    dash.setRepresentationForTypeById("video", found.id, true);
  },
};

let player;
const shakaPlayer = {
  // In a player without captions from the start, those of HLS wait for the next segment of pictures.
  load: async (url, keys, language) => {
    player = new shaka.Player();
    player.addEventListener("error", ({ detail }) => {
      errors.push(`${detail.code}: ${JSON.stringify(detail.data)}`);
    });
    await player.attach(video);
    player.configure({ abr: { enabled: false }, preferredText: [{ language }] });
    if (keys) player.configure({ drm: { clearKeys: keys } });
    await player.load(url);
  },
  audio: () => player.getAudioTracks().map((track) => track.language),
  text: () => player.getTextTracks().map((track) => track.language),
  heights: () => [...new Set(player.getVariantTracks().map((track) => track.height))],
  times: async () => {
    const [{ video: pictures }] = player.getManifest().variants, found = [];
    await pictures.createSegmentIndex();
    for (const one of pictures.segmentIndex) if (one) found.push(one.startTime);
    return found;
  },
  chooseAudio: (language) => {
    player.selectAudioTrack(player.getAudioTracks().find((track) => track.language === language));
  },
  chooseText: (language) => {
    player.selectTextTrack(player.getTextTracks().find((track) => track.language === language));
  },
  chooseHeight: (pixels) => {
    const active = player.getVariantTracks().find((track) => track.active);
    player.selectVariantTrack(
      player.getVariantTracks().find(
        (track) => track.height === pixels && track.language === active.language),
      true);
  },
};

const base64 = (keys) => Object.fromEntries(
  Object.entries(keys).map((pair) => pair.map((hex) =>
    btoa(String.fromCharCode(...hex.match(/../g).map((byte) => parseInt(byte, 16))))
      .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", ""))));

export const players = { native, "hls.js": hlsjs, "dash.js": dashjs_, shaka: shakaPlayer };
