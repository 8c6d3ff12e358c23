// What the parsers of video.js read: kinds and paths of manifests as JSON in, of each what there is
// to choose from, how long it is, and when segments of pictures begin as JSON out.

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { Parser } from "m3u8-parser";
import { parse } from "mpd-parser";

const tracksOf = ({ mediaGroups, playlists }) => {
  const languages = (kind) => Object.values(mediaGroups[kind] ?? {})
    .flatMap((group) => Object.values(group).map((one) => one.language));
  const heights = playlists.map((one) => one.attributes.RESOLUTION?.height).filter(Boolean);
  return {
    audio: [...new Set(languages("AUDIO"))].sort(),
    text: [...new Set(languages("SUBTITLES"))].sort(),
    heights: [...new Set(heights)].sort((a, b) => a - b),
  };
};

const playlistAt = (path) => {
  const parser = new Parser();
  parser.push(readFileSync(path, "utf-8"));
  parser.end();
  return parser.manifest;
};

const beginnings = (segments) => {
  let end = 0;
  return segments.map(({ duration }) => (end += duration) - duration);
};

const readers = {
  hls: (path) => {
    const master = playlistAt(path);
    const { segments } = playlistAt(join(dirname(path), decodeURI(master.playlists[0].uri)));
    const seconds = segments.reduce((sum, one) => sum + one.duration, 0);
    return { ...tracksOf(master), seconds, times: beginnings(segments) };
  },
  dash: (path) => {
    const said = parse(readFileSync(path, "utf-8"), { manifestUri: "http://a.test/a.mpd" });
    const pictures = said.playlists.find((one) => one.attributes.RESOLUTION);
    const isListed = !pictures.sidx; // else an index in the file says where its segments are
    return {
      ...tracksOf(said),
      seconds: said.duration,
      times: isListed ? pictures.segments.map((one) => one.presentationTime) : null,
    };
  },
};

const items = JSON.parse(await text(process.stdin));
process.stdout.write(JSON.stringify(items.map(({ kind, path }) => readers[kind](path))));
