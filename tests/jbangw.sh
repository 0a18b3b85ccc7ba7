#!/usr/bin/env bash
# Holds .jbang/jbangw to its word: one JBang at a time, nothing run that is not whole and known, everything else passed
# through. Each check has an empty HOME; stand-ins for mvn serve what a real fetch left. Prints a line a check,
# and at the end "N passed, N failed". KEEP=1 keeps the folder.
set -u
cd "$(dirname "$0")/.."
jbangw="$PWD/.jbang/jbangw"
sums=$(ls "$PWD"/.jbang/*.sha256)
work=$(mktemp -d)
passed=0
failed=0
clean_up() { if [ -n "${KEEP:-}" ]; then echo "kept: $work"; else rm -rf "$work"; fi; }
trap clean_up EXIT

# check WHAT COMMAND...: runs the command in a folder of its own, and prints what it said where it fails.
check() {
    local what=$1
    shift
    home="$work/$((passed + failed))/home"
    mkdir -p "$home"
    if "$@" > "$work/said" 2>&1; then
        passed=$((passed + 1))
        echo "ok    $what"
    else
        failed=$((failed + 1))
        echo "FAIL  $what"
        sed 's/^/      /' "$work/said" | tail -n 20
    fi
}

# tools FOLDER NAME...: links to the commands named, for a PATH that has no others.
tools() {
    local folder=$1 name
    shift
    mkdir -p "$folder"
    for name; do ln -sf "$(command -v "$name")" "$folder/$name"; done
}
needed='bash sh env dirname readlink mkdir rmdir rm mv cat find sed grep sleep sha256sum'
tools "$work/no-java" $needed flock
tools "$work/tools" $needed flock
tools "$work/no-flock" $needed
# A wrapper, since a java that is called by a link in a foreign folder does not find its home.
java=$(readlink -f "$(command -v java)")
for folder in tools no-flock; do printf '#!/bin/sh\nexec "%s" "$@"\n' "$java" > "$work/$folder/java"; done
chmod +x "$work"/*/java

# A small program that says what reached it, and ends with the code of its first argument.
mkdir -p "$work/a folder"
program="$work/a folder/Echo.java"
cat > "$program" <<'END'
//JAVA 17+
public class Echo {
    public static void main(String[] args) throws Exception {
        System.out.print(String.join("|", args) + "<");
        System.out.flush();
        System.out.print(new String(System.in.readAllBytes()) + ">");
        System.err.println("err");
        System.exit(args.length == 0 ? 0 : Integer.parseInt(args[0]));
    }
}
END

# jbangw as cron starts it: run PATH ARGUMENT...
run() {
    local path=$1
    shift
    env -i HOME="$home" PATH="$path" "$jbangw" --quiet "$@"
}

# One real fetch serves all checks.
fetched="$work/fetched"
fetch_for_all() {
    run "$PATH" "$program" 0 < /dev/null || return 1
    mv "$home/.jbang/"jbangw-*[0-9] "$fetched"
    [ "$(ls "$fetched" | wc -l)" -eq "$(wc -l < "$sums")" ]
}
check 'JBang is fetched, whole' fetch_for_all
prepared() { mkdir -p "$home/.jbang" && cp -r "$fetched" "$home/.jbang/$(basename "$sums" .sha256 | sed 's/jbang/jbangw/')"; }

# ---- One at a time ----

# at_once N PATH: all end 0 with the same words, and so does the next.
at_once() {
    local n=$1 path=$2 i pids='' bad=0
    for i in $(seq "$n"); do
        run "$path" "$program" 0 "$i" < /dev/null > "$home/$i.out" 2> "$home/$i.err" &
        pids="$pids $!"
    done
    for i in $pids; do wait "$i" || bad=1; done
    run "$path" "$program" 0 "$((n + 1))" < /dev/null > "$home/$((n + 1)).out" 2> "$home/$((n + 1)).err" || bad=1
    for i in $(seq $((n + 1))); do
        if [ "$(cat "$home/$i.out")" != "0|$i<>" ] || [ "$(cat "$home/$i.err")" != err ]; then
            echo "run $i:"; cat "$home/$i.out" "$home/$i.err"
            bad=1
        fi
    done
    return $bad
}

cold_at_once() { prepared && at_once "$@"; }
for try in 1 2 3 4 5; do check "two at once from a cold cache, $try" cold_at_once 2 "$work/tools"; done
check 'twelve at once from a cold cache' cold_at_once 12 "$work/tools"
for try in 1 2; do check "two at once without flock, $try" cold_at_once 2 "$work/no-flock"; done
check 'twelve at once without flock' cold_at_once 12 "$work/no-flock"

# A mvn that serves what was fetched, and notes that it was called; bad_jar has other bytes in every jar.
serve() {
    cat <<END
#!/bin/bash
echo "\$*" >> "$work/asked"
repo=. output=
for word; do case "\$word" in -Dmaven.repo.local=*) repo=\${word#*=} ;; esac; done
while read -r _ jar; do
    mkdir -p "\$repo/\$(dirname "\$jar")"
    $1
done < "$sums"
$2
END
}
# A tool for itself, on a PATH that has neither of the real ones.
only() {
    local folder="$work/only-$1-$2"
    mkdir -p "$folder"
    cp -P "$work/tools"/* "$folder"
    tools "$folder" cp basename head seq
    cat > "$folder/$1"
    chmod +x "$folder/$1"
}
good="cp \"$fetched/\$(basename \"\$jar\")\" \"\$repo/\$jar\""
half="head -c 9000 \"$fetched/\$(basename \"\$jar\")\" > \"\$repo/\$jar\""
other="$good; case \$jar in *jbang-cli*) echo >> \"\$repo/\$jar\" ;; esac"
for tool in mvn; do
    serve "$good" 'exit 0' | only $tool good
    serve "$half" 'echo "transfer closed with bytes missing" >&2; exit 18' | only $tool broken
    serve "$half" 'exit 0' | only $tool half
    serve "$other" 'exit 0' | only $tool other
    serve ':' 'exit 0' | only $tool nothing
done

fetched_once() {
    : > "$work/asked"
    at_once 4 "$1" || return 1
    cat "$work/asked"
    [ "$(wc -l < "$work/asked")" -eq 1 ] && [ "$(ls "$home/.jbang" | grep -c part)" -eq 0 ]
}
check 'four at once fetch once, with Maven' fetched_once "$work/only-mvn-good"
check_of_tools() { grep -q -- "$1" "$work/asked"; }
check 'Maven is asked for strict checksums' check_of_tools --strict-checksums

# fails_with WORDS COMMAND...: ends 1 after one line on standard error that has the words; no java was started.
fails_with() {
    local words=$1 code
    shift
    "$@" < /dev/null > "$home/out" 2> "$home/err"
    code=$?
    cat "$home/out" "$home/err"
    [ $code -eq 1 ] && [ ! -s "$home/out" ] && [ "$(wc -l < "$home/err")" -eq 1 ] && grep -q -- "$words" "$home/err" &&
        [ -z "$(ls -d "$home"/.jbang/jbangw-* 2> /dev/null)" ]
}
for tool in mvn; do
    check "a download by $tool that breaks off is told" \
        fails_with 'bytes missing' run "$work/only-$tool-broken" "$program" 0
    check "half a jar that $tool calls whole is not run" \
        fails_with 'FAILED' run "$work/only-$tool-half" "$program" 0
    check "a jar by $tool with another checksum is not run" \
        fails_with 'jbang-cli.*FAILED' run "$work/only-$tool-other" "$program" 0
    check "a $tool that brings nothing is told" \
        fails_with 'jar: No such file' run "$work/only-$tool-nothing" "$program" 0
done
check 'no Maven' fails_with 'mvn is not on PATH' run "$work/tools" "$program" 0
cp -rP "$work/only-mvn-good" "$work/no-sums" && rm "$work/no-sums/sha256sum"
check 'where no checksum can be taken nothing is run' fails_with 'shasum' run "$work/no-sums" "$program" 0

# ---- Kills ----

# wait_for COMMAND...: until it succeeds, a minute at most.
wait_for() {
    local i
    for i in $(seq 600); do
        "$@" > /dev/null 2>&1 && return
        sleep 0.1
    done
    echo "waited in vain: $*"
    return 1
}

# killed_after SECONDS PATH: the whole group of a run that builds is killed; the next run works, as do two at once.
killed_after() {
    prepared
    set -m
    run "$2" "$program" 0 < /dev/null > /dev/null 2>&1 &
    local pid=$!
    set +m
    sleep "$1"
    kill -9 -- "-$pid"
    wait "$pid" 2> /dev/null
    at_once 2 "$2"
}
for seconds in 0.1 0.5 0.9 1.3; do check "killed after $seconds s" killed_after $seconds "$work/tools"; done
for seconds in 0.3 1.1; do check "killed after $seconds s, without flock" killed_after $seconds "$work/no-flock"; done

# Only jbangw is killed; its JBang builds on, and the next waits for it.
builds() { ls "$home"/.jbang/cache/jars/Echo*; }
orphan_builds_on() {
    prepared
    env -i HOME="$home" PATH="$1" "$jbangw" "$program" 0 < /dev/null > /dev/null 2>&1 &
    local pid=$!
    wait_for builds || return 1
    kill -9 "$pid"
    wait "$pid" 2> /dev/null
    at_once 3 "$1"
}
check 'jbangw alone is killed' orphan_builds_on "$work/tools"
check 'jbangw alone is killed, without flock' orphan_builds_on "$work/no-flock"

leftovers_are_taken_over() {
    prepared
    sleep 0 &
    wait $!
    echo $! > "$home/.jbang/jbangw.lock"
    mkdir "$home/.jbang/jbangw.lock.d" && touch -t 202001010000 "$home/.jbang/jbangw.lock.d"
    at_once 2 "$work/no-flock" && [ ! -e "$home/.jbang/jbangw.lock.d" ]
}
check 'lock and folder that a kill left are taken over' leftovers_are_taken_over
reused_number_is_taken_over() {
    prepared
    echo $$ > "$home/.jbang/jbangw.lock" && touch -t 202001010000 "$home/.jbang/jbangw.lock"
    at_once 2 "$work/no-flock"
}
check 'a lock whose number another process has now' reused_number_is_taken_over
broken_fetch_is_cleared() {
    mkdir -p "$home/.jbang/$(basename "$fetched")" "$home/.jbang/$(basename "$sums" .sha256 | sed s/jbang/jbangw/).part.1/lib"
    at_once 2 "$work/only-mvn-good" && [ -z "$(ls -d "$home"/.jbang/*.part.* 2> /dev/null)" ]
}
check 'a fetch that a kill left is cleared' broken_fetch_is_cleared

# A program that works on holds up nobody, and has no file of the lock open.
long_run_holds_nobody_up() {
    prepared
    mkfifo "$home/in"
    env -i HOME="$home" PATH="$1" "$jbangw" --quiet "$program" 7 < "$home/in" > "$home/long" 2> /dev/null &
    local pid=$! open said
    exec 8> "$home/in"
    wait_for grep -q '^7<' "$home/long"
    open=$(ls -l "/proc/$pid/fd" 2> /dev/null | grep jbangw.lock)
    said=$(run "$1" "$program" 0 < /dev/null 2> /dev/null)
    echo hello >&8
    exec 8>&-
    wait "$pid"
    local code=$?
    echo "$code, open: $open, meanwhile: $said, $(cat "$home/long")"
    [ $code -eq 7 ] && [ -z "$open" ] && [ "$said" = '0<>' ] && [ "$(cat "$home/long")" = "7<hello
>" ]
}
check 'a program that works on holds nobody up' long_run_holds_nobody_up "$work/tools"
check 'a program that works on holds nobody up, without flock' long_run_holds_nobody_up "$work/no-flock"

# A JBang that hangs costs the others ten minutes, not the alarm; a sleep that does not sleep makes them short.
cp -rP "$work/tools" "$work/no-sleep" && ln -sf "$(command -v true)" "$work/no-sleep/sleep"
hung_one_is_passed() {
    prepared
    exec 7> "$home/.jbang/jbangw.lock"
    flock 7
    local said
    said=$(run "$work/no-sleep" "$program" 0 < /dev/null 2> "$home/err" 7>&-)
    exec 7>&-
    cat "$home/err"
    [ "$said" = '0<>' ] && grep -q '^\[jbangw\] another JBang has held .* for ten minutes' "$home/err"
}
check 'a lock held for ten minutes is passed by' hung_one_is_passed

# ---- Passed through ----

prepared_once="$work/prepared/home"
home=$prepared_once prepared
# as_is CODE OUT ARGUMENT...: what comes in and goes out, with "in" on standard input.
as_is() {
    local code=$1 out=$2 real
    shift 2
    printf in | HOME="$prepared_once" "$jbangw" --quiet "$program" "$@" > "$home/out" 2> "$home/err"
    real=$?
    echo "code $real"
    cat "$home/out" "$home/err"
    [ $real -eq "$code" ] && [ "$(cat "$home/out")" = "$out" ] && [ "$(cat "$home/err")" = err ]
}
check 'no argument' as_is 0 '<in>'
for code in 1 64 75 255; do check "exit code $code" as_is $code "$code<in>" $code; done
check 'blanks, quotes and signs of the shell' \
    as_is 0 '0|a  b|it'\''s|"q"|$HOME|`id`|*|;|\<in>' 0 'a  b' "it's" '"q"' '$HOME' '`id`' '*' ';' '\'
check 'a line break' as_is 0 '0|a
b<in>' 0 'a
b'
odd="$work/it's an \"odd\" \$folder"
mkdir -p "$odd" && cp "$program" "$odd/"
odd_path() { [ "$(HOME="$prepared_once" "$jbangw" --quiet "$odd/Echo.java" 0 < /dev/null 2> /dev/null)" = '0<>' ]; }
check 'a script whose path has blanks and quotes' odd_path
jbang_fails() {
    HOME="$prepared_once" "$jbangw" --quiet "$work/none.java" > "$home/out" 2> "$home/err"
    local code=$?
    cat "$home/err"
    [ $code -ge 1 ] && [ $code -le 4 ] && [ ! -s "$home/out" ] && grep -q none.java "$home/err"
}
check 'a failure of JBang is its own' jbang_fails
jbang_speaks() { HOME="$prepared_once" "$jbangw" version | grep -q "^[0-9.]*$"; }
check 'what JBang itself prints' jbang_speaks

# ---- java ----

check 'no java on the PATH of cron' fails_with 'JAVA_HOME' run "$work/no-java" "$program" 0
java_home() { env -i HOME="$home" JAVA_HOME="$1" PATH="$work/no-java" "$jbangw" --quiet "$program" 0; }
check 'a JAVA_HOME that has no java' fails_with "$work/none/bin/java" java_home "$work/none"
java_home_is_enough() { prepared && [ "$(java_home "$(dirname "$(dirname "$java")")" < /dev/null)" = '0<>' ]; }
check 'JAVA_HOME is enough' java_home_is_enough

# ---- A jbang on PATH ----

# The official one: a launcher with its jar beside it.
cp -rP "$work/tools" "$work/official"
mkdir -p "$work/jbang/bin" "$work/manifest"
{ printf 'Class-Path:'; for jar in "$fetched"/*.jar; do printf ' file:%s\n ' "$jar"; done; echo; } > "$work/manifest/m"
"$(dirname "$java")/jar" cfm "$work/jbang/bin/jbang.jar" "$work/manifest/m" -C "$work/manifest" m
printf '#!/bin/sh\necho launcher "$@"; exit 9\n' > "$work/jbang/bin/jbang"
chmod +x "$work/jbang/bin/jbang"
ln -s "$work/jbang/bin/jbang" "$work/official/jbang"
official_takes_turns() { at_once 3 "$work/official" && [ -z "$(ls -d "$home"/.jbang/jbangw-* 2> /dev/null)" ]; }
check 'the official jbang on PATH: three at once' official_takes_turns
without_java() { [ "$(run "$work/official-no-java" "$program" 'a  b')" = "launcher --quiet $program a  b" ]; }
cp -rP "$work/official" "$work/official-no-java" && rm "$work/official-no-java/java"
check 'the official jbang on PATH where there is no java' without_java
cp -rP "$work/tools" "$work/foreign" && cp "$work/jbang/bin/jbang" "$work/foreign/jbang"
foreign_as_it_is() {
    local said
    said=$(run "$work/foreign" "$program" 'a  b')
    [ $? -eq 9 ] && [ "$said" = "launcher --quiet $program a  b" ]
}
check 'another jbang on PATH is called as it is' foreign_as_it_is
cp -rP "$work/tools" "$work/linked" && ln -s "$jbangw" "$work/linked/jbang"
cp -rP "$work/tools" "$work/wrapped" && printf '#!/bin/sh\nexec "%s" "$@"\n' "$jbangw" > "$work/wrapped/jbang"
chmod +x "$work/wrapped/jbang"
itself() { prepared && [ "$(env -i HOME="$home" PATH="$1" jbang --quiet "$program" 0 < /dev/null 2> /dev/null)" = '0<>' ]; }
check 'a jbang on PATH that is a link to jbangw' itself "$work/linked"
check 'a jbang on PATH that calls jbangw' itself "$work/wrapped"

# ---- HOME ----

cp -r .jbang "$work/copy"
rm -rf "$work/copy/home"
no_home() { [ "$(env -i "$@" PATH="$work/only-mvn-good" "$work/copy/jbangw" --quiet "$program" 0 < /dev/null)" = '0<>' ]; }
check 'HOME unset' no_home
check 'HOME empty' no_home HOME=
blank_home() { home="$work/a  \"home\"" && mkdir -p "$home" && at_once 2 "$work/only-mvn-good"; }
check 'HOME with blanks and quotes' blank_home
unwritable_home() { home=/dev/null; env -i HOME=/dev/null PATH="$work/only-mvn-good" "$jbangw" --quiet "$program" 0; }
no_room() {
    local said
    said=$(unwritable_home 2>&1)
    [ $? -eq 1 ] && [ "$(printf '%s\n' "$said" | wc -l)" -eq 1 ] || { echo "$said"; return 1; }
}
check 'a HOME that cannot be written is told' no_room

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
