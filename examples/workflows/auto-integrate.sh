#!/bin/sh
# Lands one agent's branch where it is ready, for a CI system of any make or a cron job:
#
#     auto-integrate.sh 03
#
# Ends with moa's own exit code (0 landed, or landed before; 1 rejected; 3 undetermined; 4 conflicts need a person;
# 5 lost the race: call it again), and with 1 where the branch is not ready.
set -eu

agent=${1:-}
if [ -z "$agent" ]; then
  echo "Usage: $0 <agent_id>" >&2
  exit 1
fi

status_is() {
  moa status "$agent" --json | grep -q "\"status\": \"$1\""
}

echo "🤖 MOA: Starting automated integration for Agent $agent"
if status_is completed; then
  echo "✅ Agent $agent has landed already"
  exit 0
fi

# Ready is what passed its gate, on this machine: a fresh one has gated nothing yet.
if ! status_is ready_for_integration; then
  moa gate "$agent" || true
fi
if ! status_is ready_for_integration; then
  echo "⏳ Agent $agent is not ready for integration yet"
  exit 1
fi

echo "✅ Agent $agent is ready for integration"
ended=0
moa integrate "$agent" || ended=$?
if [ "$ended" = 0 ]; then
  echo '🎉 Integration successful!'
else
  echo "❌ Integration failed (exit code $ended)"
fi
exit "$ended"
