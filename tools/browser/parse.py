#!/usr/bin/python3
"""Reads a playlist on stdin as the m3u8 module understands it and prints its summary as one line of JSON,
of the same shape as that of parse.mjs."""

import json
import sys

import m3u8


def variant(playlist):
    about = playlist.stream_info
    return {
        "uri": playlist.uri,
        "bandwidth": about.bandwidth,
        "average": about.average_bandwidth,
        "codecs": about.codecs,
        "size": list(about.resolution) if about.resolution else None,
        "rate": about.frame_rate,
        "sounds": [
            {"name": media.name, "uri": media.uri, "language": media.language}
            for media in playlist.media
            if media.type == "AUDIO"
        ],
    }


def segment(one):
    date = one.program_date_time
    return {
        "uri": one.uri,
        "duration": one.duration,
        "init": one.init_section.uri if one.init_section else None,
        "date": round(date.timestamp() * 1000) if date else None,
        "discontinuity": one.discontinuity,
    }


def summary(playlist):
    if playlist.is_variant:
        return {"variants": [variant(one) for one in playlist.playlists]}
    return {
        "target": playlist.target_duration,
        "first": playlist.media_sequence or 0,
        "discontinuities": playlist.discontinuity_sequence or 0,
        "ended": playlist.is_endlist,
        "segments": [segment(one) for one in playlist.segments],
    }


print(json.dumps(summary(m3u8.loads(sys.stdin.read()))))
