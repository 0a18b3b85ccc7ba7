#!/usr/bin/env bash
# Opens the demo's report and mail in Debian's Chromium, narrow and wide, light and dark, and on paper. Prints a line a
# check, and at the end "N passed, N failed". Without chromium, node or npm the browser's checks are SKIPPED.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: > "$work/results"

# check WHAT COMMAND...: runs the command, and prints what it said where it fails.
check() {
    local what=$1
    shift
    if "$@" > "$work/said" 2>&1; then
        echo "ok    $what" | tee -a "$work/results"
    else
        echo "FAIL  $what" | tee -a "$work/results"
        sed 's/^/      /' "$work/said" | tail -n 20
        return 1
    fi
}

# Prints the totals, and ends with 0 where something passed and nothing failed.
finish() {
    local passed failed
    passed=$(grep -c '^ok ' "$work/results" || true)
    failed=$(grep -c '^FAIL ' "$work/results" || true)
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
    exit
}

# Makes report.html and alert.html in a folder of their own, so that nobody's out/demo changes.
make_pages() {
    cd "$work" && "$root/.jbang/jbangw" --quiet "$root/tests/Demo.java" &&
        [ -s out/demo/report.html ] && [ -s out/demo/alert.html ]
}

# Fetches what drives the browser and what checks the page, for this run alone.
install_packages() {
    cd "$work" && npm install --silent --no-audit --no-fund --ignore-scripts --no-save \
        playwright-core@1 axe-core@4
}

# Prints a line a check as well; a browser that does not start ends it with another code than 0.
look_at_pages() {
    cat > "$work/look.js" <<'END'
const { chromium } = require('playwright-core');
const [, , executablePath, folder] = process.argv;
const RULES = ['wcag2a', 'wcag2aa', 'wcag21aa', 'best-practice'];
const QUIET = ['--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const PAPER = 703; // pixels of A4 within margins of 12 mm

function tell(what, problems) {
  console.log((problems.length ? 'FAIL  ' : 'ok    ') + what);
  for (const problem of problems) console.log('      ' + problem);
}

async function violations(page) {
  await page.addScriptTag({ path: require.resolve('axe-core') });
  const found = await page.evaluate((rules) => axe.run({ runOnly: rules }), RULES);
  if (!found.passes.length) return ['axe checked nothing'];
  return found.violations.map((each) => `${each.id}: ${each.nodes[0].html}`);
}

async function overflow(page) {
  return page.evaluate(() => {
    const width = document.documentElement.scrollWidth;
    return width <= innerWidth ? [] : [`${width} pixels on a screen of ${innerWidth}`];
  });
}

/** Where the table of hours is wider than the screen, its region scrolls, by keyboard as well. */
async function lostColumns(page) {
  return page.evaluate(() => {
    const lost = [];
    for (const table of document.querySelectorAll('table')) {
      const region = table.closest('[role=region][tabindex="0"]');
      if (!region || getComputedStyle(region).overflowX !== 'auto') lost.push(table.className);
    }
    return document.querySelector('table') ? lost : ['there is no table'];
  });
}

async function look(browser, file, width, colorScheme, media, checks) {
  const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
  const requests = [];
  page.on('request', (each) => requests.push(each.url()));
  await page.emulateMedia({ media, colorScheme });
  await page.goto(`file://${folder}/${file}`);
  await page.waitForLoadState('networkidle');
  const others = requests.filter((each) => !/^(file|data):/.test(each));
  const where = `${file} at ${width}, ${media === 'print' ? 'on paper' : colorScheme}: `;
  for (const [what, problems] of checks) tell(where + what, await problems(page));
  tell(where + 'no network', requests.length ? others : ['nothing was requested at all']);
  await page.close();
}

(async () => {
  const browser = await chromium.launch({ executablePath, chromiumSandbox: false, args: QUIET });
  const report = [['no overflow', overflow], ['its tables scroll', lostColumns],
    ['axe', violations]];
  for (const colors of ['light', 'dark']) {
    for (const width of [380, 1400]) {
      await look(browser, 'report.html', width, colors, 'screen', report);
    }
    await look(browser, 'alert.html', 360, colors, 'screen', [['no overflow', overflow]]);
  }
  await look(browser, 'report.html', PAPER, 'light', 'print', [['no overflow', overflow]]);
  await browser.close();
})().catch((e) => {
  console.log(e.stack);
  process.exit(1);
});
END
    # A profile of its own goes with the folder.
    (cd "$work" && TMPDIR="$work" node look.js "$(command -v chromium)" "$work/out/demo")
}

# Passes the browser's lines on and counts them; without any the run itself has failed.
check_in_browser() {
    local code=0
    look_at_pages > "$work/looked" 2>&1 || code=$?
    cat "$work/looked"
    grep -E '^(ok|FAIL) ' "$work/looked" >> "$work/results" || code=1
    check 'the browser ran to the end' test "$code" -eq 0 || true
}

check 'the demo makes report.html and alert.html' make_pages || finish
for tool in chromium node npm; do
    if ! command -v "$tool" > /dev/null; then
        echo "SKIPPED report.html and alert.html in a browser: there is no $tool"
        finish
    fi
done
check 'npm installs playwright-core and axe-core' install_packages || finish
check_in_browser
finish
