#!/usr/bin/env bash
# Follows README.md as a newcomer would: a fresh copy of the files that git knows, an empty HOME, the page's own code
# blocks. A help desk and a mail server of our own stand in where accounts are needed. Prints a line a check, and at the
# end "N passed, N failed". KEEP=1 keeps the folder.
set -u
cd "$(dirname "$0")/.."
work=$(mktemp -d)
copy="$work/spike-notifier"
passed=0
failed=0
stand=

# Ends the stand-in by closing its standard input, and leaves nothing behind.
clean_up() {
    if [ -n "$stand" ]; then
        exec 9>&-
        wait "$stand" 2>/dev/null
    fi
    if [ -n "${KEEP:-}" ]; then echo "kept: $work"; else rm -rf "$work"; fi
}
trap clean_up EXIT

# check WHAT COMMAND...: runs the command, and prints what it said where it fails.
check() {
    local what=$1
    shift
    if "$@" > "$work/said" 2>&1; then
        passed=$((passed + 1))
        echo "ok    $what"
    else
        failed=$((failed + 1))
        echo "FAIL  $what"
        sed 's/^/      /' "$work/said" | tail -n 20
    fi
}

# block LANGUAGE WORDS: the page's first code block of that language that holds the words, without its indentation.
block() {
    awk -v language="$1" -v words="$2" '
        /^ *```/ && !inside { inside = 1; open = ($0 ~ "```" language "$"); text = ""; next }
        /^ *```$/ { if (open && index(text, words)) { printf "%s", text; exit } inside = 0; open = 0; next }
        open { sub(/^  /, $0 ~ /^   ?[^ ]/ ? "" : "  "); text = text $0 "\n" }' README.md
}

# In the copy, with nothing but PATH, an empty HOME, and a jbang that is the page's own jbangw.
as_newcomer() {
    (cd "$copy" && env -i HOME="$work/home" PATH="$work/bin:$PATH" LC_ALL=C.UTF-8 bash -euc "$1")
}

# The page's block, word for word.
follow() {
    local commands
    commands=$(block sh "$1")
    [ -n "$commands" ] || { echo "README.md has no such block: $1"; return 1; }
    as_newcomer "$commands"
}

mkdir -p "$copy" "$work/home" "$work/bin"
# What git knows, or where there is no git all but what was made here.
all_files() {
    git ls-files -z 2> /dev/null || find . -type f -not -path './.git/*' -not -path './out/*' -not -name '*.ini' -print0
}
all_files | while IFS= read -r -d '' file; do
    if [ -e "$file" ]; then
        mkdir -p "$copy/$(dirname "$file")"
        cp -p "$file" "$copy/$file"
    fi
done
ln -s "$copy/.jbang/jbangw" "$work/bin/jbang"

first_command_is_clean() {
    follow 'tests/Demo.java' > "$work/demo" 2>&1 || { cat "$work/demo"; return 1; }
    tail -n 1 "$work/demo"
    tail -n 1 "$work/demo" | grep -q '^Look at alert.html, alert.eml, tag.html and report.html in out/demo' &&
        ! grep -q "$(printf '\033')" "$work/demo" && [ -s "$copy/out/demo/alert.html" ] &&
        grep -q '^Subject: Ticket Spike Alert! 9 with checkout_error in 2 hours' "$work/demo"
}
check 'the first command: the demo, without escape codes' first_command_is_clean
check 'the second command names a script that is there' test -f "$copy/$(block sh SpikeNotifierTest | awk '{print $NF}')"
check 'explain of the demo, as the demo says' as_newcomer "$(grep ' explain .* -c out/demo/auth.ini' "$work/demo")"
check 'backtest of the demo' \
    as_newcomer '.jbang/jbangw --quiet SpikeNotifier.java backtest --per-month 2 -c out/demo/auth.ini'

mkfifo "$work/in" "$work/out"
as_newcomer 'jbang --quiet tests/StandIn.java' < "$work/in" > "$work/out" &
stand=$!
exec 9> "$work/in"
read -r hour desk port < "$work/out"

check 'copying the example' follow 'cp auth.ini.example'
check 'the copy is its owner'\''s alone' test "$(stat -c %a "$copy/auth.ini")" = 600
sed -i "s|^#BaseUrl =.*|BaseUrl = $desk|; s|paste-the-secret-here|made-up-secret|; s|^#Host =.*|Host = 127.0.0.1|
    s|^#Port =.*|Port = $port|; s|^#Security =.*|Security = none|; s|^Password =.*|#Password =|
    s|^#NumHours =.*|NumHours = 720|" "$copy/auth.ini"
check 'doctor --send' follow 'doctor --send'
check 'the first run' follow 'jbangw --quiet SpikeNotifier.java
'
check 'it told the spike' ls "$copy/out/history.csv.done/$hour.spike.json"
a_rule_can_be_tried() {
    sed 's/^SpikeThreshold = .*/SpikeThreshold = 10/' "$copy/auth.ini" > "$copy/trial.ini"
    chmod 600 "$copy/trial.ini"
    as_newcomer ".jbang/jbangw --quiet SpikeNotifier.java explain $hour -c trial.ini
        .jbang/jbangw --quiet SpikeNotifier.java --dry-run --hour $hour -c trial.ini" > "$work/trial"
    cat "$work/trial"
    [ "$(grep -c ', calm by rule weekly\|verdict=calm' "$work/trial")" = 2 ]
}
check 'a rule can be tried by a copy of the INI' a_rule_can_be_tried

jar_is_silent() {
    follow 'export fatjar' > "$work/jar" 2>&1 || { cat "$work/jar"; return 1; }
    cat "$work/jar"
    [ ! -s "$work/jar" ] && [ -s "$copy/spike-notifier.jar" ] && [ -s "$copy/spike-notifier.jsa" ]
}
check 'the fat jar and its class archive are made and say nothing' jar_is_silent

# cron_is_silent WORD: the page's crontab line with that word, in use or as a comment.
cron_is_silent() {
    local line
    line=$(block crontab '7 * * * *' | sed -n 's/^#*7 \* \* \* \* //p' | grep -e "$1")
    [ -n "$line" ] || { echo "README.md has no such crontab line: $1"; return 1; }
    line=${line//\/opt\/spike-notifier/$copy}
    env -i HOME="$work/home" PATH=/usr/bin:/bin LOGNAME=spike LC_ALL=C.UTF-8 sh -c "$line" > "$work/cron" 2>&1 ||
        { cat "$work/cron"; return 1; }
    cat "$work/cron"
    [ ! -s "$work/cron" ]
}
check 'the crontab line of the jar under the environment of cron says nothing' cron_is_silent spike-notifier.jar
check 'the crontab line of JBang under the environment of cron says nothing' cron_is_silent jbangw
other_name_works() {
    ln -s "$copy/SpikeNotifier.java" "$work/spikes.java"
    as_newcomer "jbang --quiet $work/spikes.java --version"
}
check 'a link of another name runs too' other_name_works

at_sign_is_no_file_of_words() {
    as_newcomer '.jbang/jbangw --quiet SpikeNotifier.java --dry-run -c @auth.ini' > "$work/at" 2>&1
    cat "$work/at"
    grep -q '@auth.ini: not found' "$work/at" && ! grep -q made-up-secret "$work/at"
}
check '-c @FILE is a name, never its words' at_sign_is_no_file_of_words

runs_without_home() {
    (cd / && env -i PATH=/usr/bin:/bin "$copy/.jbang/jbangw" --quiet "$copy/SpikeNotifier.java" --version)
}
check 'no HOME, no locale, the PATH of cron' runs_without_home

archive_is_silent_when_stale() {
    touch "$copy/spike-notifier.jar"
    cron_is_silent spike-notifier.jar
}
check 'a stale class archive is silent' archive_is_silent_when_stale

completes_its_name() {
    as_newcomer 'source <(jbang --quiet SpikeNotifier.java generate-completion) && complete -p spike-notifier'
}
check 'the completion script binds the name' completes_its_name

units_are_valid() {
    sed "s|/opt/spike-notifier|$copy|g; s|/home/spike|$work/home|; s|^User=.*|User=root|" \
        "$copy/.docs/spike-notifier.service" > "$work/spike-notifier.service"
    cp "$copy/.docs/spike-notifier.timer" "$work/spike-notifier.timer"
    systemd-analyze verify "$work/spike-notifier.service" "$work/spike-notifier.timer"
}
if command -v systemd-analyze > /dev/null; then
    check 'systemd takes service and timer' units_are_valid
else
    echo 'SKIPPED systemd takes service and timer: there is no systemd-analyze'
fi

for name in $(grep -o '\(tests\|\.docs\)/[A-Za-z-]*\.[a-z]*' README.md | sort -u); do
    check "the page names $name, which is there" test -f "$copy/$name"
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
