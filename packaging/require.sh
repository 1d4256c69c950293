# What ./quickstart, ./check and others have in common; to be read in with the shell's "." command.

# For the tests that need no machine.
TEST_PACKAGES='python3-daemon python3-systemd python3-seccomp python3-pytest python3-pytest-xdist python3-hypothesis
	git gcc libc6-dev make procps iproute2 strace man-db mandoc bash-completion zsh fish
	libjemalloc2 libmimalloc-dev libtcmalloc-minimal4 libfaketime libedit2
	redis-tools python3-redis libredis-perl netcat-openbsd inetutils-telnet socat curl'

die() {
	echo "$0: $*" >&2
	exit 1
}

require_debian_root() {
	command -v apt-get >/dev/null || die "this script installs Debian packages, and there is no apt-get here"
	[ "$(id -u)" = 0 ] || die "run it as root: $1"
}

# Installs those of the packages that are missing. Lists of packages that are absent or too old are
# fetched only when that fails without.
require_packages() {
	missing=
	for package; do
		case $(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null) in
		installed) ;;
		*) missing="$missing $package" ;;
		esac
	done
	[ "$missing" ] || return 0
	echo "Installing$missing"
	export DEBIAN_FRONTEND=noninteractive
	# shellcheck disable=SC2086 # one argument for each
	install="apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 install$missing"
	$install >/dev/null 2>&1 && return 0
	problem=$(apt-get -qq update 2>&1 && $install 2>&1 >/dev/null) || die "apt-get could not install$missing: is there a network?
$problem"
}
