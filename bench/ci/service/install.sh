# Stands for `npm ci`, without a registry: makes node_modules as package.json says, always the same for the same seed, and does the
# work that goes with it: packages are unpacked from compressed archives, and every file is hashed.
set -eu
field() { sed -n "s/.*\"$1\": *\([0-9]*\).*/\1/p" package.json; }
packages=$(field packages)
awk -v packages="$packages" 'BEGIN { for (p = 0; p < packages; p++) print "node_modules/p" p "/lib" }' | xargs mkdir -p
awk -v seed="$(field seed)" -v packages="$packages" -v files="$(field filesPerPackage)" '
  function random(below) {
    state = (state * 16807) % 2147483647
    return state % below
  }
  BEGIN {
    count = split("const return function await export default import from this if else for of new class extends true false null " \
      "module options result value error callback stream buffer index length name path Object Array String Promise", word, " ")
    state = seed
    for (p = 0; p < packages; p++)
      for (f = 0; f < files; f++) {
        file = "node_modules/p" p (f == 0 ? "/index.js" : "/lib/m" f ".js")
        for (lines = 20 + random(260); lines > 0; lines--) {
          text = ""
          for (w = 0; w < 6; w++) text = text word[1 + random(count)] " "
          print text random(1000000) ";" > file
        }
        close(file)
      }
  }'
mkdir /tmp/unpacked
for round in $(seq "$(field effort)"); do
  for digit in 0 1 2 3 4 5 6 7 8 9; do
    tar -cf - node_modules/*"$digit" | gzip -6 >"/tmp/packed-$digit"
    gzip -dc "/tmp/packed-$digit" | tar -xf - -C /tmp/unpacked
  done
done
rm -r /tmp/packed-* /tmp/unpacked
find node_modules -type f | LC_ALL=C sort | xargs sha512sum | sha256sum | cut -c 1-16 >/tmp/sum
mv /tmp/sum node_modules/.sum
