#!/usr/bin/env bash
# Makes the captures in this folder without plugfest: real OVMF in QEMU on a TAP, dnsmasq and nginx beside it, all in a network
# namespace, tcpdump on the TAP. `../captures.rs` says what each has to be explained as; that follows from what the
# set-ups here do.
#
# Needs root, QEMU, dnsmasq-base, nginx-light, tcpdump, iproute2, openssl, python3. Takes about ten minutes.
#
#     ./make.sh FIRMWARE_DIR PAYLOAD.efi [NAME...]     FIRMWARE_DIR/<build>/OVMF_CODE_4M.fd and OVMF_VARS_4M.fd
set -eu
here=$(cd "$(dirname "$0")" && pwd)
firmware=$1 payload=$2
shift 2
wanted=" $* "
work=$(mktemp -d)
ns=plugfest-captures
cleanup() {
    ip netns pids $ns 2>/dev/null | xargs -r kill 2>/dev/null || true
    ip netns del $ns 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
in_ns() { ip netns exec $ns "$@"; }

ip netns add $ns
in_ns ip link set lo up
in_ns sysctl -qw net.ipv6.conf.default.accept_dad=0
in_ns ip tuntap add tap0 mode tap
in_ns ip addr add 10.77.0.1/24 dev tap0
in_ns ip addr add 10.77.0.53/24 dev tap0
in_ns ip -6 addr add fd77::1/64 dev tap0
in_ns ip link set tap0 up

# Certificates: an authority that the firmware trusts, one that it does not, and what they sign.
cd "$work"
authority() { openssl req -x509 -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.pem" -days 3650 -subj "/CN=$1" 2>/dev/null; }
signed() { # name authority from to
    openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.csr" -subj "/CN=10.77.0.1" 2>/dev/null
    printf 'subjectAltName=IP:10.77.0.1,DNS:boot.example\n' > ext
    mkdir -p ca && : > ca/index && echo 01 > ca/serial
    openssl ca -batch -in "$1.csr" -cert "$2.pem" -keyfile "$2.key" -out "$1.pem" -startdate "$3" -enddate "$4" -md sha256 \
        -notext -extfile ext -config <(printf '[ca]\ndefault_ca=d\n[d]\ndatabase=ca/index\nserial=ca/serial\nnew_certs_dir=ca\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n') 2>/dev/null
}
authority trusted
authority stranger
signed good trusted 20200101000000Z 20491231000000Z
signed expired trusted 20200101000000Z 20210101000000Z
signed foreign stranger 20200101000000Z 20491231000000Z
# An EFI_SIGNATURE_LIST (UEFI 2.11 section 32.4.1) with the trusted authority, for etc/edk2/https/cacerts.
openssl x509 -in trusted.pem -outform DER -out trusted.der
python3 - <<'PY'
import struct, uuid
der = open("trusted.der", "rb").read()
kind = uuid.UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072").bytes_le
data = uuid.UUID(int=0).bytes_le + der
open("cacerts", "wb").write(kind + struct.pack("<III", 28 + len(data), 0, len(data)) + data)
PY
mkdir -p site
cp "$payload" site/boot.efi
cp "$payload" site/boot

serve() { # nginx: lines for the server block
    cat > nginx.conf <<CONF
daemon off; pid $work/nginx.pid; error_log $work/nginx.log; user root;
events {}
http {
    access_log off; default_type application/octet-stream;
    client_body_temp_path $work/t1; proxy_temp_path $work/t2; fastcgi_temp_path $work/t3; uwsgi_temp_path $work/t4; scgi_temp_path $work/t5;
    types { application/efi efi; }
    server { listen 80; listen [::]:80; root $work/site; $1 }
}
CONF
    in_ns nginx -c "$work/nginx.conf" -e "$work/nginx.log" &
}
tls() { echo "listen 443 ssl; ssl_certificate $work/$1.pem; ssl_certificate_key $work/$1.key; ssl_protocols $2; ssl_ciphers ALL:@SECLEVEL=0;"; }
dns_and_dhcp() { in_ns dnsmasq --no-daemon --conf-file=/dev/null --interface=tap0 --bind-interfaces --no-ping --no-resolv --no-hosts \
    --dhcp-leasefile="$work/leases" --local=/example/ --host-record=boot.example,10.77.0.1,fd77::1 "$@" 2>"$work/dnsmasq.log" & }
v4=(--dhcp-range=10.77.0.100,10.77.0.150,255.255.255.0,1h)
class=(--dhcp-vendorclass=set:http,HTTPClient --dhcp-option-force=tag:http,60,HTTPClient)

boot() { # name build ipv4|ipv6 [pxe]
    local name=$1 build=$2 ip=$3 pxe=n code vars started
    if [ "${4-}" = pxe ]; then pxe=y; fi
    code=$(ls -d "$firmware/$build"/*/OVMF_CODE_4M.fd "$firmware/$build"/OVMF_CODE_4M.fd 2>/dev/null | head -1)
    vars=${code%CODE_4M.fd}VARS_4M.fd
    cp "$vars" vars.fd
    : > serial
    in_ns tcpdump -Z root -U -q -i tap0 -w "$work/$name.pcap" 2>/dev/null &
    sleep 1
    local off=IPv6Support
    if [ "$ip" = ipv6 ]; then off=IPv4Support; fi
    in_ns qemu-system-x86_64 -nodefaults -no-user-config -display none -machine q35,accel=tcg -cpu max -m 256 \
        -drive if=pflash,unit=0,format=raw,readonly=on,file="$code" -drive if=pflash,unit=1,format=raw,file=vars.fd \
        -netdev tap,id=n,ifname=tap0,script=no,downscript=no -device virtio-net-pci,netdev=n,romfile=,mac=52:54:00:77:00:02 \
        -fw_cfg name=opt/org.tianocore/IPv4PXESupport,string=$pxe -fw_cfg name=opt/org.tianocore/IPv6PXESupport,string=$pxe \
        -fw_cfg name=opt/org.tianocore/$off,string=n -fw_cfg name=etc/edk2/https/cacerts,file=cacerts \
        -serial file:serial -action reboot=shutdown 2>/dev/null &
    started=$SECONDS
    until grep -qE 'failed to (start|load)|No bootable|Interactive Shell|plugfest' serial || [ $((SECONDS - started)) -gt 150 ]; do sleep 0.5; done
    sleep 3
    ip netns pids $ns | xargs -r kill 2>/dev/null || true
    wait 2>/dev/null || true
    mv "$name.pcap" "$here/$name.pcap"
    echo "$name: $((SECONDS - started)) s, $(stat -c %s "$here/$name.pcap") bytes; $(tr -d '\r' < serial | grep -E 'Error|ERROR|BdsDxe' | tail -1 | cut -c1-90)"
}
setup() { # name: whether it is wanted
    case "$wanted" in "  " | *" $1 "*) rm -f "$work/leases"; return 0 ;; *) return 1 ;; esac
}
offer() { dns_and_dhcp "${v4[@]}" "${class[@]}" --dhcp-boot=tag:http,"$1"; }

if setup boots; then serve ""; offer http://10.77.0.1/boot.efi; boot boots ovmf-x64-sid ipv4; fi
if setup no-dhcp-server; then dns_and_dhcp; boot no-dhcp-server ovmf-x64-sid ipv4; fi
if setup no-vendor-class; then dns_and_dhcp "${v4[@]}" --dhcp-boot=http://10.77.0.1/boot.efi; boot no-vendor-class ovmf-x64-trixie ipv4; fi
if setup no-boot-file; then dns_and_dhcp "${v4[@]}" "${class[@]}"; boot no-boot-file ovmf-x64-sid ipv4; fi
if setup not-a-url; then offer pxelinux.0; boot not-a-url ovmf-x64-sid ipv4; fi
if setup no-such-name; then offer http://nowhere.example/boot.efi; boot no-such-name ovmf-x64-sid ipv4; fi
if setup dns-silent; then
    in_ns python3 -c 'import socket,time
s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind(("10.77.0.53",53)); time.sleep(1000)' &
    dns_and_dhcp "${v4[@]}" "${class[@]}" --port=0 --dhcp-option=6,10.77.0.53 --dhcp-boot=tag:http,http://boot.example/boot.efi
    boot dns-silent ovmf-x64-sid ipv4
fi
if setup port-closed; then serve ""; offer http://10.77.0.1:8080/boot.efi; boot port-closed ovmf-x64-trixie ipv4; fi
if setup host-absent; then offer http://10.77.0.99/boot.efi; boot host-absent ovmf-x64-sid ipv4; fi
if setup forbidden; then serve "location = /boot.efi { limit_except HEAD { deny all; } }"; offer http://10.77.0.1/boot.efi; boot forbidden ovmf-x64-sid ipv4; fi
if setup not-found; then serve "location = /gone.efi { return 404; }"; offer http://10.77.0.1/gone.efi; boot not-found ovmf-x64-bookworm ipv4; fi
if setup redirect; then serve "location = /old.efi { return 301 http://10.77.0.1/boot.efi; }"; offer http://10.77.0.1/old.efi; boot redirect ovmf-x64-sid ipv4; fi
if setup media-type; then serve "default_type text/html;"; offer http://10.77.0.1/boot; boot media-type ovmf-x64-sid ipv4; fi
if setup untrusted; then serve "$(tls foreign 'TLSv1.2 TLSv1.3')"; offer https://10.77.0.1/boot.efi; boot untrusted ovmf-x64-sid ipv4; fi
if setup expired; then serve "$(tls expired 'TLSv1.2')"; offer https://10.77.0.1/boot.efi; boot expired ovmf-x64-sid ipv4; fi
if setup tls13-only; then serve "$(tls good 'TLSv1.3')"; offer https://10.77.0.1/boot.efi; boot tls13-only ovmf-x64-bookworm ipv4; fi
if setup no-router6; then dns_and_dhcp; boot no-router6 ovmf-x64-sid ipv6; fi
if setup no-vendor-class6; then
    dns_and_dhcp --enable-ra --dhcp-range=fd77::100,fd77::1ff,64,1h --dhcp-option=option6:bootfile-url,http://[fd77::1]/boot.efi
    boot no-vendor-class6 ovmf-x64-sid ipv6
fi

files=(--enable-tftp --tftp-root="$work/site")
if setup pxe-boots; then dns_and_dhcp "${v4[@]}" "${files[@]}" --dhcp-boot=boot.efi; boot pxe-boots ovmf-x64-sid ipv4 pxe; fi
if setup pxe-no-such-file; then dns_and_dhcp "${v4[@]}" "${files[@]}" --dhcp-boot=gone.efi; boot pxe-no-such-file ovmf-x64-bookworm ipv4 pxe; fi
if setup pxe-no-server; then dns_and_dhcp "${v4[@]}" --dhcp-boot=boot.efi; boot pxe-no-server ovmf-x64-sid ipv4 pxe; fi
if setup pxe-boots6; then
    dns_and_dhcp --enable-ra --dhcp-range=fd77::100,fd77::1ff,64,1h "${files[@]}" \
        --dhcp-option=option6:bootfile-url,tftp://[fd77::1]/boot.efi
    boot pxe-boots6 ovmf-x64-sid ipv6 pxe
fi
