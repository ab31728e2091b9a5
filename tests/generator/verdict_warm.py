"""Entries of `scaling.warm`, with cron expressions that programs read differently."""

from typing import Any

CRON_TEXTS = [
    *(
        "0 8 * * *",
        "0  8 * * *",
        " 0 8 * * * ",
        "0\t8 * * *",
        "0 8 * * *\n",
        "00 08 01 01 00",
        "5/10 8 * * *",
    ),
    *(
        "*/15 9-17/2 1,15 jan,FEB ?",
        "0 8 * * MON-fri",
        "0 8 * * 7",
        "0 8 * * 0-6/2",
        "60 8 * * *",
        "0 24 * * *",
    ),
    *("0 8 0 * *", "0 8 31 * *", "0 8 32 * *", "0 8 * 0 *", "0 8 * 12 *", "0 8 * 13 *", "0 8 * * 5-1"),
    *(
        "0 8 * * fri-mon",
        "0 8 * *",
        "0 0 8 * * *",
        "@daily",
        "TZ=UTC 0 8 * * *",
        "0 8 * * 1,,2",
        "*/0 8 * * *",
    ),
    *(
        "+0 8 * * *",
        "-1 8 * * *",
        "0 8 * * 1-2-3",
        "0 8 * * *-2",
        "0 8 * * 1#2",
        "0 8 L * *",
        "\u0660 8 * * *",
    ),
    *(
        "0 8 * * */99",
        "0 8 * * */100",
        "0 8 * * */00",
        "0 8 * * */05",
        "0 8 30 2 *",
        "0 8 29 2 *",
        "10-09 8 * * *",
    ),
    *("", " ", ",", "0 8 * * thursday", "1-9 8 * * *", "9-10 8 * * *", "8-09 8 * * *", "09-8 8 * * *"),
]
WARM_LISTS: list[Any] = [
    [],
    *([entry] for entry in ({}, {"pods": 1}, {"nodes": 1}, {"pods": 0}, {"nodes": -1}, {"pods": "1"})),
    *([{"pods": 1, "start": text, "end": "1 18 * * *"}] for text in CRON_TEXTS),
    *([{"nodes": 2, "start": "59 7 * * *", "end": text}] for text in CRON_TEXTS),
    *([{"nodes": 1, "timezone": zone}] for zone in ("UTC", "Asia/Tokyo", "CEST", "", "Etc/GMT+1", "a b")),
    *([{"pods": pods, "start": "0 8 * * *", "end": "0 9 * * *"}] for pods in (0, 20, 21, 2147483648)),
    [{"nodes": 1, "start": "0 8 * * *"}],
    [{"nodes": 1, "start": None, "end": None}],
    [{"nodes": 1}, {"nodes": 3, "pods": 2, "start": "0 8 * * *", "end": "0 9 * * *"}],
]
