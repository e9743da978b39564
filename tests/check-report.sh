#!/usr/bin/env bash
# Opens a report of the simulator in a headless browser without a network: `tests/check-report.sh REPORT.html
# [FOLDER]`. It fails where the page writes anything to the console (errors, exceptions, and what its own policy
# refused to load are told there), where the page does not say that it is drawn, or where it does not do what
# pointer, wheel, keys and filters ask for. Pictures of it, light and dark, are put into FOLDER.
# Where there is no Chromium it is installed, as root and with apt; without either it fails.
set -euo pipefail

(($# == 1 || $# == 2)) || {
    echo "usage: $0 REPORT.html [FOLDER]" >&2
    exit 2
}
report=$(realpath -e "$1")
folder=${2:-}

find_browser() {
    local name
    for name in chromium chromium-browser google-chrome; do
        type -P "$name" && return
    done
    return 1
}

if ! browser=$(find_browser); then
    if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
        echo 'there is no Chromium, and only root can install it with apt-get' >&2
        exit 2
    fi
    apt-get update -qq >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium fonts-dejavu-core >/dev/null
    browser=$(find_browser)
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Headless, with a profile of its own, and no name has an address.
browse() {
    timeout 120 "$browser" --headless=new --no-sandbox --disable-gpu --hide-scrollbars \
        --user-data-dir="$work/profile" --host-resolver-rules='MAP * ~NOTFOUND' --enable-logging=stderr \
        --window-size=1400,900 --virtual-time-budget=20000 "$@"
}

# Opens a page; whatever it writes to the console is a failure, and so is the lack of an attribute of its root.
open() {
    local page=$1 attribute=$2
    browse --dump-dom "file://$page" >"$work/dom" 2>"$work/log" || {
        tail -n 20 "$work/log" >&2
        echo "the browser failed" >&2
        return 1
    }
    if grep -F ':CONSOLE' "$work/log" >&2; then
        echo "the page wrote that to the console" >&2
        return 1
    fi
    if ! grep -q "^<html[^>]* $attribute" < <(grep -m 1 '^<html' "$work/dom"); then
        echo "the page does not say $attribute, but: $(grep -m 1 '^<html' "$work/dom" || echo nothing)" >&2
        return 1
    fi
}

open "$report" 'data-drawn="yes"'
echo 'it is drawn, with nothing on the console'

# The same page, and somebody who uses it. What is not as expected is an exception, and so on the console.
# Frames are no more than turns there: in virtual time the browser draws none by itself.
sed '0,/<head>/s//<head><script>requestAnimationFrame = (draw) => setTimeout(draw, 0);<\/script>/' "$report" >"$work/driven.html"
cat >>"$work/driven.html" <<'PAGE'
<script>
addEventListener("load", async () => {
  // There is no pointer that could be captured.
  Element.prototype.setPointerCapture = () => {};
  const $ = (id) => document.getElementById(id), timeline = $("timeline");
  const frame = () => new Promise((done) => setTimeout(done, 5));
  const expect = (what, is) => { if (!is) throw new Error(`it is not so that ${what}`); };
  const range = () => $("range").textContent;
  const all = range();
  const key = async (name) => {
    timeline.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true }));
    await frame();
  };
  const pointer = async (on, type, x, y, more = {}) => {
    const box = on.getBoundingClientRect();
    const at = { clientX: box.left + x, clientY: box.top + y, bubbles: true, cancelable: true, button: 0, pointerId: 1 };
    on.dispatchEvent(type === "wheel" ? new WheelEvent(type, { ...at, ...more }) : new PointerEvent(type, { ...at, ...more }));
    await frame();
  };
  const changes = async (what, act) => {
    const before = range();
    await act();
    expect(`${what} changes ${before}`, range() !== before);
  };
  timeline.focus();
  await changes("a key that zooms", () => key("+"));
  await changes("a key that moves", () => key("ArrowRight"));
  await changes("the wheel", () => pointer(timeline, "wheel", 500, 200, { deltaY: -400 }));
  await changes("dragging", async () => {
    await pointer(timeline, "pointerdown", 500, 200);
    await pointer(timeline, "pointermove", 380, 200);
    await pointer(timeline, "pointerup", 380, 200);
  });
  await changes("dragging over the axis", async () => {
    await pointer(timeline, "pointerdown", 400, 8);
    await pointer(timeline, "pointermove", 600, 8);
    await pointer(timeline, "pointerup", 600, 8);
  });
  await changes("dragging over the overview", async () => {
    await pointer($("overview"), "pointerdown", 300, 20);
    await pointer($("overview"), "pointermove", 340, 20);
    await pointer($("overview"), "pointerup", 340, 20);
  });
  await key("0");
  expect("the key 0 shows all", range() === all);
  await key("]");
  expect("a message is chosen", $("details").querySelector("dl") !== null);
  for (let nth = 0; nth < 12; nth++) await key("+");
  for (let y = 4; y < timeline.clientHeight; y += 9) await pointer(timeline, "pointermove", 130 + y * 2 % 900, y);
  for (const plot of document.querySelectorAll("#plots canvas")) await pointer(plot, "pointermove", 600, 40);
  await key("0");
  for (const chip of document.querySelectorAll("#chips button")) chip.click();
  await frame();
  expect("nothing is shown where every kind is off", / 0 copies/.test(range()));
  for (const chip of document.querySelectorAll("#chips button")) chip.click();
  await frame();
  expect("all is shown again", range() === all);
  const type = async (id, text) => {
    $(id).value = text;
    $(id).dispatchEvent(new Event("input", { bubbles: true }));
    await frame();
  };
  await type("text-filter", "there is no such text");
  expect("nothing has that text", / 0 copies/.test(range()));
  await type("text-filter", "");
  await type("node-filter", "no such node");
  expect("an unknown node is told", $("node-filter").classList.contains("unknown"));
  await type("node-filter", "0-1");
  await type("node-filter", "");
  expect("all is shown at last", range() === all);
  expect("nothing failed on the way", document.documentElement.dataset.drawn === "yes");
  document.documentElement.dataset.driven = "yes";
});
</script>
PAGE
open "$work/driven.html" '.*data-driven="yes"'
echo 'it does what pointer, wheel, keys and filters ask for'

if [[ $folder ]]; then
    mkdir -p "$folder"
    folder=$(realpath "$folder")
    # Zero is dark, one is light.
    for scheme in dark light; do
        number=$([[ $scheme == light ]] && echo 1 || echo 0)
        browse --blink-settings=preferredColorScheme="$number" --screenshot="$folder/report-$scheme.png" \
            "file://$report" >/dev/null 2>&1
        test -s "$folder/report-$scheme.png"
    done
    echo "pictures: $folder/report-light.png, $folder/report-dark.png"
fi
