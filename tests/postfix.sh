#!/usr/bin/env bash
# The whole program against a real Postfix: STARTTLS, sign-in, greylisting, an unknown receiver, a full queue.
# Needs root and, on Debian: apt-get install postfix sasl2-bin libsasl2-modules openssl
# It starts a Postfix of its own on a free port of 127.0.0.1, which relays to nobody and keeps all
# its files in a temporary folder. SPIKE_JAR names a fat jar to test; without it one is exported.
# KEEP=1 leaves the folder for a look.
set -eu
umask 022 # Postfix works as other users
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin

passed=0
failed=0
desk='' # the help desk's address, once it is up
work=''
desk_pid=''
finished='' # whether all tests have been run
shown=''    # whether the last run's lines have been printed

main() {
    skip_where_something_is_missing
    work=$(mktemp -d)
    trap end EXIT
    trap 'exit 1' INT TERM HUP
    chmod 755 "$work"
    mkdir "$work/etc" "$work/data" "$work/mail" "$work/gate" "$work/etc/sasl" "$work/queue"
    jar=${SPIKE_JAR:-}
    [ -n "$jar" ] || jar=$(exported)
    make_certificates
    make_users
    write_greylist
    write_postfix_config
    start_postfix
    start_desk
    test_greylist
    test_sign_in
    test_trust
    test_three
    test_full_queue
    finished=yes
}

# ---- what is tested --------------------------------------------------------------------------

# Of two receivers b is greylisted: a gets the mail now, b with the next run, nobody twice.
test_greylist() {
    write_ini greylist "a b" right
    run greylist
    check 'greylist: exit 75 while b is put off' [ "$code" -eq 75 ]
    check 'greylist: a line names b and 450' line_names 'b@team.test' '450'
    check 'greylist: no line says that a was put off' not line_names 'a@team.test' '450'
    check 'greylist: a has the mail at once' has_mails a 1
    check 'greylist: b has none yet' has_mails b 0
    check 'greylist: the notice waits in the outbox' has_waiting greylist 1

    run greylist
    check 'greylist: still put off, still exit 75' [ "$code" -eq 75 ]
    check 'greylist: a is not mailed again meanwhile' has_mails a 1

    touch "$work/gate/open"
    run greylist
    check 'greylist: exit 0 when b is let in' [ "$code" -eq 0 ]
    check 'greylist: b has the mail' has_mails b 1
    check 'greylist: a is not mailed again' has_mails a 1
    check 'greylist: nothing waits any more' has_waiting greylist 0
    check_mails a b

    run greylist
    check 'greylist: one more run, exit 0' [ "$code" -eq 0 ]
    check 'greylist: one more run does not mail a' has_mails a 1
    check 'greylist: one more run does not mail b' has_mails b 1
}

# A wrong password is told at once, and its mail goes out when the password has been mended.
test_sign_in() {
    write_ini sign-in "c d" wrong
    run sign-in
    check 'wrong password: exit 77' [ "$code" -eq 77 ]
    check 'wrong password: a line says 535' line_names '535' ''
    check 'wrong password: no line holds it' not line_names 'wrong-password' ''
    check 'wrong password: nothing is delivered' has_mails c 0
    check 'wrong password: the notice waits in the outbox' has_waiting sign-in 1

    write_ini sign-in "c d" right
    run sign-in
    check 'mended password: exit 0' [ "$code" -eq 0 ]
    check 'mended password: c has the mail' has_mails c 1
    check 'mended password: d has the mail' has_mails d 1
    check_mails c d
}

# Without the authority of the server's certificate no password leaves, and nothing is lost.
test_trust() {
    write_ini trust "e f" right
    run_java trust
    check 'unknown authority: exit 75' [ "$code" -eq 75 ]
    check 'unknown authority: a line says certificate' line_names 'certificate' ''
    check 'unknown authority: nothing is delivered' has_mails e 0
    run trust
    check 'known authority: exit 0' [ "$code" -eq 0 ]
    check 'known authority: e has the mail' has_mails e 1
    check 'known authority: f has the mail' has_mails f 1
}

# Three in one transaction; one of them is unknown, which is nobody else's trouble.
test_three() {
    write_ini three "g h i" right
    run three
    check 'three: exit 0' [ "$code" -eq 0 ]
    check 'three: each has the mail' each_has_one g h i
    check 'three: in one transaction' same_queue_id g h i

    write_ini unknown "k nobody l" right
    run unknown
    check 'one unknown: exit 75' [ "$code" -eq 75 ]
    check 'one unknown: a line names it and 5.1.1' line_names 'nobody@team.test refuses' '5.1.1'
    check 'one unknown: the others have the mail' each_has_one k l
    check 'one unknown: nothing waits, since somebody knows' has_waiting unknown 0
    run unknown
    check 'one unknown: the next run is well' [ "$code" -eq 0 ]
}

# A queue without room says 452 to MAIL, and takes the mail once there is some.
test_full_queue() {
    postconf -c "$work/etc" 'queue_minfree = 9000000000000000' && postfix -c "$work/etc" reload
    sleep 1
    write_ini full "m n" right
    run full
    check 'full queue: exit 75' [ "$code" -eq 75 ]
    check 'full queue: a line says 452' line_names '452' ''
    check 'full queue: the notice waits in the outbox' has_waiting full 1
    postconf -c "$work/etc" 'queue_minfree = 0' && postfix -c "$work/etc" reload
    sleep 1
    run full
    check 'full queue: exit 0 when there is room' [ "$code" -eq 0 ]
    check 'full queue: each has the mail' each_has_one m n
}

each_has_one() {
    local user
    for user in "$@"; do has_mails "$user" 1 || return 1; done
}

same_queue_id() {
    local user ids=''
    for user in "$@"; do ids+=$(grep -m 1 -o 'with ESMTPSA id [0-9A-F]*' "$(mail_of "$user")")$'\n'; done
    [ "$(sort -u <<< "${ids%$'\n'}" | wc -l)" -eq 1 ]
}

# Both receivers' one mail came by STARTTLS with a sign-in, is the same, and has both parts.
check_mails() {
    local user file
    for user in "$@"; do
        file=$(mail_of "$user")
        check "mail of $user: by TLS and with a sign-in (ESMTPSA)" grep -q 'with ESMTPSA' "$file"
        check "mail of $user: the sign-in is spike's" grep -q 'Authenticated sender: spike' "$file"
        check "mail of $user: tells the spike" grep -q '^Subject: .*90 tickets' "$file"
        check "mail of $user: plain text part" grep -qi '^Content-Type: text/plain' "$file"
        check "mail of $user: HTML part" grep -qi '^Content-Type: text/html' "$file"
        check "mail of $user: sent to $user alone" delivered_to "$file" "$user"
    done
    check "mails of $1 and $2: one Message-ID" same_id "$(mail_of "$1")" "$(mail_of "$2")"
}

# ---- checks ----------------------------------------------------------------------------------

# Prints one line, and after the first failure of a run what that run printed.
check() {
    local title=$1
    shift
    if "$@" > /dev/null 2>&1; then
        passed=$((passed + 1))
        echo "ok     $title"
    else
        failed=$((failed + 1))
        echo "FAILED $title"
        [ -n "$shown" ] || sed 's/^/         /' "$work/said"
        shown=yes
    fi
}

not() {
    ! "$@"
}

# Whether a line of the last run holds both texts.
line_names() {
    grep -F -- "$1" "$work/said" | grep -qF -- "$2"
}

# Whether a user's mailbox holds so many mails.
has_mails() {
    [ "$(mails_of "$1" | wc -l)" -eq "$2" ]
}

# Whether so many notices wait.
has_waiting() {
    local folder=$work/$1/out/history.csv.outbox
    [ "$2" -eq 0 ] && [ ! -e "$folder" ] && return
    [ "$(find "$folder" -type f | wc -l)" -eq "$2" ]
}

mails_of() {
    [ ! -d "$work/mail/$1/new" ] || find "$work/mail/$1/new" -type f
}

# The first mail of a user; a file that is not there if there is none.
mail_of() {
    local first
    first=$(mails_of "$1" | head -n 1)
    echo "${first:-$work/none}"
}

delivered_to() {
    [ "$(grep -c '^Delivered-To:' "$1")" -eq 1 ] && grep -q "^Delivered-To: $2@team.test" "$1"
}

same_id() {
    local id
    id=$(grep -i '^Message-ID: *<' "$1") && [ "$id" = "$(grep -i '^Message-ID: *<' "$2")" ]
}

# ---- the program -----------------------------------------------------------------------------

# Exports the program as one jar, and prints where it is.
exported() {
    .jbang/jbangw --quiet export fatjar --force -O "$work/spike.jar" SpikeNotifier.java >&2 &&
        echo "$work/spike.jar"
}

# Writes the auth.ini of a test: its folder, the users who are mailed, and which password.
write_ini() {
    local recipients
    recipients=$(printf '%s@team.test, ' $2)
    mkdir -p "$work/$1"
    cat > "$work/$1/auth.ini" <<- INI
	[zendesk]
	Domain = acme
	ClientId = spike_notifier
	ClientSecret = made-up-secret
	BaseUrl = $desk

	[email]
	Sender = spikes@team.test
	Recipient = $recipients
	Host = localhost
	Port = $port
	Security = starttls
	Username = spike
	Password = $3-password

	[misc]
	SpikeThreshold = 0.5
	NumHours = 240

	[spike]
	Rule = mean
	INI
    chmod 600 "$work/$1/auth.ini"
}

# One run of the program in a test's folder, with the authority of the server's certificate.
run() {
    run_java "$1" "-Djavax.net.ssl.trustStore=$work/trust.p12" \
        -Djavax.net.ssl.trustStorePassword=changeit
}

# One run with options of Java; leaves its exit code, and in a file what it said.
run_java() {
    local folder=$work/$1
    shift
    shown=''
    code=0
    java "$@" -jar "$jar" -c "$folder/auth.ini" > "$work/said" 2>&1 < /dev/null || code=$?
    echo "(exit code $code)" >> "$work/said"
    await queue_is_empty
}

# ---- the help desk ---------------------------------------------------------------------------

# Compiles the made-up help desk against the jar and starts it.
start_desk() {
    javac -d "$work/desk" -cp "$jar" tests/Desk.java tests/Mailbox.java tests/StandIn.java
    mkfifo "$work/desk-in"
    java -cp "$jar:$work/desk" spikenotifier.StandIn < "$work/desk-in" > "$work/desk-out" &
    desk_pid=$!
    exec 3> "$work/desk-in" # the desk works until this is closed
    await [ -s "$work/desk-out" ]
    read -r _ desk _ < "$work/desk-out"
}

# ---- Postfix ---------------------------------------------------------------------------------

# An authority, a certificate for localhost signed by it, and a trust store that holds it.
make_certificates() {
    (
        cd "$work"
        openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj '/CN=Authority of a test' \
            -keyout ca.key -out ca.pem
        openssl req -newkey rsa:2048 -nodes -subj '/CN=localhost' \
            -keyout server.key -out server.csr
        echo 'subjectAltName = DNS:localhost' > server.ext
        openssl x509 -req -days 2 -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial \
            -extfile server.ext -out server.pem
        keytool -importcert -noprompt -alias authority -file ca.pem -storetype PKCS12 \
            -keystore trust.p12 -storepass changeit
    ) > "$work/certificates.log" 2>&1 || give_up certificates "$work/certificates.log"
}

# The one who may sign in, in a Cyrus SASL database.
make_users() {
    echo right-password | saslpasswd2 -p -c -f "$work/etc/sasl/users" -u team.test spike
    chown postfix "$work/etc/sasl/users"
    cat > "$work/etc/sasl/smtpd.conf" <<- CONF
	pwcheck_method: auxprop
	auxprop_plugin: sasldb
	sasldb_path: $work/etc/sasl/users
	mech_list: PLAIN LOGIN
	CONF
}

# A policy service as postgrey is one, but for the time: b is put off until the gate is open.
write_greylist() {
    cat > "$work/policy" <<- SCRIPT
	while IFS= read -r line; do
	    case \$line in
	        recipient=*) recipient=\${line#*=} ;;
	        '')
	            action=dunno
	            if [ "\$recipient" = b@team.test ] && [ ! -e "$work/gate/open" ]; then
	                action='defer_if_permit Greylisted, come again later'
	            fi
	            printf 'action=%s\n\n' "\$action"
	            ;;
	    esac
	done
	SCRIPT
}

# TLS and a sign-in are demanded; mail is for team.test alone and lands in folders, one per user.
write_postfix_config() {
    local user boxes=''
    for user in a b c d e f g h i k l m n; do boxes+=" { $user@team.test = $user/ }"; done
    port=$(free_port)
    chown nobody "$work/mail"
    chown postfix "$work/data"
    cat > "$work/etc/main.cf" <<- CONF
	compatibility_level = 2
	queue_directory = $work/queue
	data_directory = $work/data
	maillog_file = $work/mail.log
	maillog_file_prefixes = $work
	myhostname = mail.team.test
	mydestination =
	mynetworks =
	inet_interfaces = 127.0.0.1
	inet_protocols = ipv4
	alias_maps =
	local_recipient_maps =
	default_transport = error:nothing is relayed
	relay_transport = error:nothing is relayed
	local_transport = error:nothing is local
	virtual_mailbox_domains = team.test
	virtual_mailbox_base = $work/mail
	virtual_mailbox_maps = inline:{$boxes }
	virtual_uid_maps = static:$(id -u nobody)
	virtual_gid_maps = static:$(id -g nobody)
	smtpd_peername_lookup = no
	notify_classes =
	smtpd_tls_security_level = encrypt
	smtpd_tls_auth_only = yes
	smtpd_tls_cert_file = $work/server.pem
	smtpd_tls_key_file = $work/server.key
	smtpd_tls_received_header = yes
	smtpd_sasl_auth_enable = yes
	smtpd_sasl_type = cyrus
	smtpd_sasl_path = smtpd
	smtpd_sasl_local_domain = team.test
	smtpd_sasl_authenticated_header = yes
	cyrus_sasl_config_path = $work/etc/sasl
	smtpd_sender_restrictions = permit_sasl_authenticated, reject
	smtpd_relay_restrictions = reject_unauth_destination
	smtpd_recipient_restrictions = reject_unauth_destination, reject_unlisted_recipient,
	    check_policy_service unix:private/greylist
	CONF
    cat > "$work/etc/master.cf" <<- CONF
	127.0.0.1:$port inet n - n - - smtpd
	cleanup  unix  n - n - 0 cleanup
	qmgr     unix  n - n 300 1 qmgr
	tlsmgr   unix  - - n 1000? 1 tlsmgr
	rewrite  unix  - - n - - trivial-rewrite
	bounce   unix  - - n - 0 discard
	defer    unix  - - n - 0 bounce
	trace    unix  - - n - 0 bounce
	error    unix  - - n - - error
	retry    unix  - - n - - error
	virtual  unix  - n n - - virtual
	anvil    unix  - - n - 1 anvil
	postlog  unix-dgram n - n - 1 postlogd
	greylist unix  - n n - 0 spawn user=nobody argv=bash $work/policy
	CONF
}

# A port of 127.0.0.1 on which nobody listens.
free_port() {
    local port
    while true; do
        port=$((20000 + RANDOM % 12000)) # below those that the system hands out by itself
        listens "$port" || break
    done
    echo "$port"
}

listens() {
    (exec 4<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null
}

start_postfix() {
    postfix -c "$work/etc" start > "$work/start.log" 2>&1 || give_up Postfix "$work/start.log"
    await listens "$port"
}

queue_is_empty() {
    [ -z "$(find "$work"/queue/{maildrop,incoming,active,deferred} -type f)" ]
}

# ---- the rest --------------------------------------------------------------------------------

# Where the test cannot be made it says so; what is there and does not work is a failure.
skip_where_something_is_missing() {
    local command
    for command in java javac keytool openssl postfix saslpasswd2; do
        command -v "$command" > /dev/null || skip "$command is missing"
    done
    [ "$(id -u)" -eq 0 ] || skip 'Postfix has to be started by root'
}

skip() {
    echo "SKIPPED tests/postfix.sh: $1"
    exit 0
}

# Waits until a command succeeds, at most 20 seconds.
await() {
    local i
    for ((i = 0; i < 200; i++)); do
        ! "$@" || return 0
        sleep 0.1
    done
    echo "waited in vain for: $*" >&2
    give_up 'the wait' "$work/mail.log"
}

# Ends the test as failed, with the log of what did not work.
give_up() {
    echo "FAILED $1:" >&2
    cat "$2" >&2 || true
    exit 1
}

# Ends what was started here, by its own folder and process number, and counts; a test that did
# not come to its end has failed.
end() {
    trap - EXIT
    [ -z "$desk_pid" ] || kill "$desk_pid" 2> /dev/null || true
    if [ -e "$work/queue/pid/master.pid" ]; then
        postfix -c "$work/etc" stop > /dev/null 2>&1 || true
    fi
    if [ -n "${KEEP:-}" ]; then echo "kept: $work"; else rm -rf "$work"; fi
    [ -n "$finished" ] || failed=$((failed + 1))
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] || exit 1
    exit 0
}

main
