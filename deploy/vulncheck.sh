#!/bin/sh
# govulncheck over the controller. Without its database nothing is known, which is said and is no failure: whoever builds without
# a network does not get a red build for it, nor a green one that looks like a check.
set -u
said=$("$TOOLS/govulncheck" ./cmd/controller 2>&1)
code=$?
case $code:$said in
0:*) ;;
*"fetching vulnerabilities"*)
	echo "NOT DONE: the vulnerability database could not be reached, so nothing was checked:" >&2
	code=0
	;;
esac
printf '%s\n' "$said"
exit $code
