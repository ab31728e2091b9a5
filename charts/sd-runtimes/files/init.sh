# PID 1 of a runtime's container: starts the program that its arguments name, and passes signals on as SIGTERM. The kernel
# drops a signal to PID 1 that has no handler for it, as no program has while it starts, and ComfyUI never: its pod would
# hold a GPU node for the whole grace period. A program that is still there 20 seconds later is killed. Ends with the exit
# code of the program. `wait` also collects processes that lost their parent.
child='' killer='' early='' again='' code=''
stop() {
  again=yes
  if [ -z "$child" ]; then
    early=yes
    return
  fi
  kill -TERM "$child"
  if [ -z "$killer" ]; then
    # Once more: one that comes before the program has replaced the shell's copy is lost.
    (sleep 1 && kill -TERM "$child"; sleep 20; kill -KILL "$child") 2>/dev/null &
    killer=$!
  fi
}
# An image may name another signal than SIGTERM (STOPSIGNAL).
trap stop TERM INT QUIT HUP
"$@" &
child=$!
[ -z "$early" ] || stop
# A signal ends `wait`, too: then it is called again. It knows no process (127) whose code it has given before.
while
  again=''
  wait "$child"
  status=$?
  [ "$status" -eq 127 ] && [ -n "$code" ] || code=$status
  [ -n "$again" ]
do :; done
[ -z "$killer" ] || kill "$killer" 2>/dev/null
exit "$code"
