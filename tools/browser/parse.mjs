#!/usr/bin/env node
/**
 * Reads a playlist on stdin as hls-parser understands it and prints its summary as one line of JSON, of the
 * same shape as that of parse.py. A playlist that it refuses ends it with status 1 and its reason.
 */
import { text } from "node:stream/consumers";
import HLS from "hls-parser";

// Departures from the specification are errors here, not warnings.
HLS.setOptions({ strictMode: true });

/** @param {import("hls-parser/types.js").MasterPlaylist} playlist */
const multivariant = ({ variants }) => ({
  variants: variants.map((variant) => ({
    uri: variant.uri,
    bandwidth: variant.bandwidth,
    average: variant.averageBandwidth ?? null,
    codecs: variant.codecs ?? null,
    size: variant.resolution ? [variant.resolution.width, variant.resolution.height] : null,
    rate: variant.frameRate ?? null,
    sounds: variant.audio.map(({ name, uri, language }) => ({ name, uri: uri ?? null, language: language ?? null })),
  })),
});

/** @param {import("hls-parser/types.js").MediaPlaylist} playlist */
const media = (playlist) => ({
  target: playlist.targetDuration,
  first: playlist.mediaSequenceBase ?? 0,
  discontinuities: playlist.discontinuitySequenceBase ?? 0,
  ended: playlist.endlist,
  segments: playlist.segments.map((segment) => ({
    uri: segment.uri,
    duration: segment.duration,
    init: segment.map?.uri ?? null,
    date: segment.programDateTime?.getTime() ?? null,
    discontinuity: segment.discontinuity ?? false,
  })),
});

const playlist = HLS.parse(await text(process.stdin));
const summary = playlist.isMasterPlaylist
  ? multivariant(/** @type {import("hls-parser/types.js").MasterPlaylist} */ (playlist))
  : media(/** @type {import("hls-parser/types.js").MediaPlaylist} */ (playlist));
process.stdout.write(`${JSON.stringify(summary)}\n`);
