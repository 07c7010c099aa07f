#!/usr/bin/env bash
# What `make peers` compares Abovefold with, pinned: Python environments, and the JVM's jars with our classes over them, all in
# $ABOVEFOLD_CACHE/peers.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=deploy/setup/common.sh
. "$here/common.sh"

"$here/system.sh" peers
"$here/servers.sh"
peers="$ABOVEFOLD_CACHE/peers"
mkdir -p "$peers"
torch_site="$(echo "$ABOVEFOLD_CACHE"/torch-venv/lib/python3.*/site-packages)"

# peer_python NAME PACKAGE==VERSION...
peer_python() {
    (
        ABOVEFOLD_CACHE="$peers"
        python_with "$@"
    )
}

# The harness and the reference stack; torch comes from the environment that already holds it.
peer_python reference confluent-kafka==2.16.1 redis==8.1.0 hiredis==3.5.0 orjson==3.13.0 numpy==2.4.6 \
    typing_extensions==4.16.0 sympy==1.14.0 networkx==3.6.1 Jinja2==3.1.6 fsspec==2026.9.0 filelock==4.3.1
for folder in "$peers"/reference-venv/lib/python3.*/site-packages; do
    printf '%s\n' "$torch_site" >"$folder/torch.pth"
done

# Python's torch is linked with CUDA's libraries (4 GB), which a run on the CPU never calls: empty ones in their place let it be imported.
absent="$peers/absent"
if [ ! -f "$absent/.abovefold-stamp" ]; then
    say "making stand-ins for the CUDA libraries that torch names and the CPU does not need"
    rm -rf "$absent"
    mkdir -p "$absent"
    wanting=("$torch_site"/torch/lib/libtorch_{nvshmem,cuda,python,cuda_linalg}.so "$torch_site/torch/lib/libc10_cuda.so")
    defined=("$torch_site"/torch/lib/*.so "$torch_site"/nvidia/cu13/lib/libcu{dart,pti}.so.13)
    comm -23 <(nm -D --undefined-only "${wanting[@]}" | awk '{ sub(/@.*/, "", $2); print $2 }' | grep -E '^(cu|nccl|nvshmem|__cu)' | sort -u) \
        <(nm -D --defined-only "${defined[@]}" | awk '{ sub(/@.*/, "", $3); print $3 }' | sort -u) |
        sed 's/.*/void &(void) {}/' >"$absent/absent.c"
    cc -shared -fPIC -fno-builtin -w -Wl,-soname,libabsent.so -o "$absent/libabsent.so" "$absent/absent.c"
    for library in libcudnn.so.9 libcufile.so.0 libcusparse.so.12 libcufft.so.12 libcusparseLt.so.0 libnccl.so.2 libcurand.so.10 \
        libcublas.so.13 libcublasLt.so.13 libnvshmem_host.so.3; do
        cc -shared -fPIC "-Wl,-soname,$library" -o "$absent/$library" -x c /dev/null -x none -Wl,--no-as-needed "$absent/libabsent.so"
    done
    touch "$absent/.abovefold-stamp"
fi

peer_python bytewax 'bytewax[kafka]==0.21.1' confluent-kafka==2.16.1 redis==8.1.0 hiredis==3.5.0 orjson==3.13.0
peer_python quix quixstreams==3.28.1 confluent-kafka==2.12.2 redis==8.1.0 hiredis==3.5.0 orjson==3.13.0

jvm="$checkout/benches/peers/jvm"
made="$(cat "$jvm/pom.xml" "$jvm"/src/main/java/abovefold/peers/*.java | sha256sum)"
if [ "$(cat "$peers/jvm/.abovefold-stamp" 2>/dev/null)" != "$made" ]; then
    alone peers
    say "fetching Kafka Streams and Flink, and building the peers on them"
    rm -rf "$peers/jvm"
    mkdir -p "$peers/jvm/classes"
    cp "$jvm/pom.xml" "$peers/jvm/"
    (cd "$peers/jvm" && maven dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=libs >&2) ||
        die "Maven could not fetch Kafka Streams and Flink; is Maven Central in reach?"
    javac --release 17 -nowarn -cp "$peers/jvm/libs/*" -d "$peers/jvm/classes" "$jvm"/src/main/java/abovefold/peers/*.java >&2 ||
        die "the peers on the JVM were not built"
    printf '%s' "$made" >"$peers/jvm/.abovefold-stamp"
fi
