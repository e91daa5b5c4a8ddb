# For bash: a dialogue with modems on open descriptors, line by line.

say() { # DESCRIPTOR COMMAND
    printf '%s\r' "$2" >&"$1"
}

hear() { # DESCRIPTOR BEGINNING: wait for a line that begins so, and tell it
    local line
    while IFS= read -r -t 120 -u "$1" line; do
        line=${line//$'\r'/}
        if [[ $line == "$2"* ]]; then
            echo "$1: $line"
            return
        fi
    done
    echo "$1: no $2"
    exit 1
}

escape() { # DESCRIPTOR
    sleep 1.1
    printf '+++' >&"$1"
    hear "$1" OK
}
