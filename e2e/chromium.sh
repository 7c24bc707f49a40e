#!/bin/sh
# Installs Chromium and its driver where they are missing, which only the tests of the balancer's page need.
#
# Usage: e2e/chromium.sh
set -eu

# shellcheck source=SCRIPTDIR/packages.sh
. "$(dirname "$0")/packages.sh"
need chromium chromium
need chromedriver chromium-driver
install_missing
