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
    "${as_root[@]}" apt-get update -qq &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
            "${missing[@]}" </dev/null >&2
}
