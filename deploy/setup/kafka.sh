#!/usr/bin/env bash
# Apache Kafka's jars (and the tools among them), from Maven Central into the cache folder.
set -euo pipefail
# shellcheck source=deploy/setup/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

version=4.1.1
home="$ABOVEFOLD_CACHE/kafka-$version"
[ -f "$home/.abovefold-stamp" ] && exit 0
alone kafka
[ -f "$home/.abovefold-stamp" ] && exit 0
say "fetching Apache Kafka $version (43 MB) into $home"
rm -rf "$home"
mkdir -p "$home"
cat >"$home/pom.xml" <<END
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>abovefold</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>$version</version>
      <!-- The topic and group tools need nothing beyond the broker's own jars. -->
      <exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.25.1</version></dependency>
  </dependencies>
</project>
END
(cd "$home" && maven dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=libs >&2) ||
    die "Maven could not fetch Kafka; is Maven Central in reach?"
[ -f "$home/libs/kafka_2.13-$version.jar" ] || die "Maven fetched other files than expected; see $home/libs"
touch "$home/.abovefold-stamp"
