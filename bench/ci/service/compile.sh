# Stands for a compiler and a bundler: reads the sources and all modules, and leaves one compressed bundle.
set -eu
mkdir dist
cat src/*.js >dist/bundle.js
cat node_modules/*/index.js node_modules/*/lib/m[1-5].js | awk '{ for (w = 1; w < NF; w++) seen[$w]++ } END { for (w in seen) print w, seen[w] }' |
  LC_ALL=C sort >dist/symbols.txt
cat node_modules/*/index.js node_modules/*/lib/m[1-5].js src/*.js | gzip -9n >dist/bundle.js.gz
message=$(sed -n 's/^export const message = "\(.*\)";$/\1/p' src/main.js)
echo "echo '$message' modules $(cat node_modules/.sum) symbols $(sha256sum <dist/symbols.txt | cut -c 1-16)" >dist/start.sh
