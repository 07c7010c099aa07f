#!/usr/bin/env bash
# Elasticsearch, from Maven Central into the cache folder: Elastic's own runnable node for integration tests.
# ELASTICSEARCH_VERSION chooses another version (9.1.4 was tried; it wants a JDK of 21 or later).
set -euo pipefail
# shellcheck source=deploy/setup/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

version="${ELASTICSEARCH_VERSION:-8.19.5}"
home="$ABOVEFOLD_CACHE/elasticsearch-$version"
[ -f "$home/.abovefold-stamp" ] && exit 0
alone elasticsearch
[ -f "$home/.abovefold-stamp" ] && exit 0
say "fetching Elasticsearch $version (97 MB) into $home"
rm -rf "$home" "$home.new"
mkdir -p "$home.new"
(cd "$home.new" && maven dependency:copy -DoutputDirectory=. \
    "-Dartifact=org.elasticsearch.distribution.integ-test-zip:elasticsearch:$version:zip" >&2) ||
    die "Maven could not fetch Elasticsearch; is Maven Central in reach?"
# Python's zipfile keeps no modes; the programs are made executable by hand.
(cd "$home.new" && python3 -m zipfile -e "elasticsearch-$version.zip" . && rm "elasticsearch-$version.zip")
mv "$home.new/elasticsearch-$version" "$home"
rm -rf "$home.new" "$ABOVEFOLD_CACHE/maven/org/elasticsearch/distribution"
find "$home/bin" "$home/modules" -type f \( -path '*/bin/*' -o -path "$home/bin/*" \) -exec chmod 755 {} +
# It is run by a system user of its own where the set-up was run by root.
chmod -R a+rX "$home"
touch "$home/.abovefold-stamp"
