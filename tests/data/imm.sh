# In a lab: a management module at an address of its own, the service that subscribes there, and every SYN.
# Arguments: a Python, and which ports the module has (https, http). Findings are printed as NAME: VALUE.
set -eu
python=$1
shift
folder=$(mktemp -d)
module=169.254.95.118 # where modules are, on the wire between them and their system
ip address add $module/32 dev lo

cat >"$folder/agent.toml" <<END
state = "state"
ca_file = "$LAB_CA_FILE"
generation = "esa-linux-7.1.5"
[[machines]]
type = "8284"
model = "22A"
serial = "21ABCDE"
[servers]
enrolment = ["$LAB_SERVER"]
[imm]
host = "$module"
user = "USERID"
password = "PASSW0RD"
ca_file = "ca.pem"
END

until_true() { # a command, every tenth of the lab's seconds, for five minutes of them
    left=3000
    until "$@"; do
        left=$((left - 1))
        [ $left -gt 0 ] || { echo "never: $*" >&2; exit 1; }
        sleep 0.1
    done
}
tell() { echo "$1: $2"; }
agent() { "$python" -m lab.agent "$@" --settings "$folder/agent.toml"; }
captures() { grep -q listening "$folder/tcpdump"; }
numbered() { agent status | grep -q PMH; }

tcpdump -i lo --immediate-mode -U -w "$folder/syn.pcap" 'tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn' 2>"$folder/tcpdump" &
capture=$!
"$python" -m tests.unit.imm.rack $module "$folder" "$@" >"$folder/module" &
rack=$!
until_true test -e "$folder/ready"
until_true captures
"$python" -m lab.agent serve --activate --settings "$folder/agent.toml" &
service=$!
wait $rack
until_true numbered
kill $service
wait $service || tell 'the service' $?
kill $capture
wait $capture || :
tell 'the module' "$(cat "$folder/module")"
tell 'the ports' "$(tcpdump -nn -r "$folder/syn.pcap" 2>/dev/null | sed -n "s/.*> $module\.\([0-9]*\): .*/\1/p" | xargs)"
tell 'the problem' "$(agent status | sed -n 's/^ *\(reference_code\|severity\|text\|state\|pmh\): //p' | xargs)"
tell 'problems' "$(agent status | grep -c pmh)"
