# install_packages SECTION...: installs what is missing of these sections of docker/packages.txt (Debian and its
# children). Says what it installs; sudo when not root. Sourced by gateway/run and tests/run.

install_packages() {
    local list wanted missing=() package as_root=()
    list=$(dirname "${BASH_SOURCE[0]}")/packages.txt
    wanted=$(awk -v sections=" $* " '
        /^\[/ { name = substr($0, 2, index($0, "]") - 2); on = index(sections, " " name " ") > 0; next }
        on && NF && !/^#/ { print $1 }' "$list")
    for package in $wanted; do
        dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "these packages are missing, and there is no sudo; as root: apt-get install ${missing[*]}" >&2
            return 1
        fi
        as_root=(sudo)
    fi
    echo "installing ${missing[*]}" >&2
    "${as_root[@]}" apt-get update -qq || return 1
    # Debian's PostgreSQL makes and starts a cluster as soon as it is installed, unless it is told not to: the tests start their own.
    local clusters=/etc/postgresql-common/createcluster.conf quiet=
    if [[ " ${missing[*]} " == *" postgresql "* ]] && install_with "${as_root[@]}" -- postgresql-common &&
        [ -z "$(pg_conftool -s "$clusters" show create_main_cluster 2>/dev/null)" ]; then
        quiet=1
        "${as_root[@]}" pg_conftool "$clusters" set create_main_cluster false || return 1
    fi
    install_with "${as_root[@]}" -- "${missing[@]}" || return 1
    [ -z "$quiet" ] || "${as_root[@]}" pg_conftool "$clusters" remove create_main_cluster
}

# install_with [sudo] -- PACKAGE...
install_with() {
    local as_root=()
    while [ "$1" != -- ]; do
        as_root+=("$1")
        shift
    done
    shift
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" </dev/null >&2
}
