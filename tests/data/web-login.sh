# In a lab: accounts are made in the guest, the service runs with its web user interface, and curl logs in.
# What it finds is printed as NAME: VALUE.
set -eu
python=$1
folder=$(mktemp -d)
useradd clerk
useradd locked
printf 'clerk:opensesame\nlocked:opensesame\n' | chpasswd
usermod -L locked

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
[web]
${2:-}
END
port=$(sed -n 's/^port = //p' "$folder/agent.toml")
port=${port:-5024}
here=https://localhost:$port/esa

until_true() { # a command, every tenth of the lab's seconds, for two minutes of them
    left=1200
    until "$@"; do
        left=$((left - 1))
        [ $left -gt 0 ] && kill -0 "$service" || { echo "never: $*" >&2; exit 1; }
        sleep 0.1
    done
}
listening() { ss -Hltn "sport = :$1" | grep -q .; }
tell() { echo "$1: $2"; }
curls() { curl -sS --cacert "$folder/state/web/certificate.pem" -b "$folder/jar" -c "$folder/jar" "$@"; }
token() { sed -n 's/.*name="token" value="\([^"]*\)".*/\1/p'; }
log_in() { # USER PASSWORD
    curls -o "$folder/page" -w '%{http_code}' --data-urlencode "token=$(curls "$here/login" | token)" \
        --data-urlencode "user=$1" --data-urlencode "password=$2" "$here/login"
}
numbered() { curls "$here/requests" | grep -q PMH; }
words() { sed 's/<[^>]*>/ /g; s/  */ /g'; }

"$python" -m lab.agent serve --activate --settings "$folder/agent.toml" &
service=$!
until_true listening "$port"
tell 'port 5024' "$(listening 5024 && echo open || echo closed)"
tell "port $port" "$(listening "$port" && echo open || echo closed)"
tell 'in clear' "$(curl -sS -w ' %{http_code}' "http://localhost:$port/esa" | tr '\n' ' ')"
tell 'another password' "$(log_in clerk guessed)"
tell 'nobody' "$(log_in nobody-of-that-name opensesame)"
tell 'a locked account' "$(log_in locked opensesame)"
tell 'the status before' "$(curls -o "$folder/page" -w '%{http_code}' "$here/status")"
inside=$(log_in clerk opensesame)
tell 'the password' "$inside"
if [ "$inside" != 303 ]; then
    kill "$service"
    exit
fi
tell 'the status' "$(curls "$here/status" | words | grep -o 'IBM was reached')"
tell 'the demand' "$(curls -o "$folder/page" -w '%{http_code}' \
    --data-urlencode "token=$(curls "$here/demand" | token | head -1)" -d demand=problem "$here/demand")"
until_true numbered
tell 'the problem' "$(curls "$here/requests" | words | grep -o 'PMH[0-9]* open TEST0000')"
kill "$service"
wait "$service" || tell 'the service' "$?"
tell "port $port at the end" "$(listening "$port" && echo open || echo closed)"
