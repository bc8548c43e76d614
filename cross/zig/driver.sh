#!/bin/sh
# zig @DRIVER@ for @TRIPLE@, called by build systems as if it were the board's own compiler.
#
# What names this machine or an instruction set that the board lacks is dropped, and so are linker flags that zig
# refuses. EDGEKIT_HOST_PREFIX is where the build's own Python lives; EDGEKIT_CACHE is left out of compiled file names, so
# that every machine makes the same bytes.
left=$# preprocess='' language='' input='' stdin='' link=1 triple=@TRIPLE@
while [ "$left" -gt 0 ]; do
  arg=$1; shift; left=$((left - 1))
  case $arg in
    # meson asks who links, and knows no linker of zig's name.
    -Wl,--version) echo 'LLD 20.1.0 (compatible with GNU linkers)'; exit 0 ;;
    # clang's answer names the vendor too, which Debian's compilers do not.
    -dumpmachine|-print-multiarch) echo @MULTIARCH@; exit 0 ;;
    -c|-S|-M|-MM) link='' ;;
    -E) link='' preprocess=1 ;;
    -x*) language=1 ;;
    -) stdin=1 ;;
    -*) ;;
    *) input=1 ;;
  esac
  case $arg in
    @DROPPED@) continue ;;
    -[IL]"$EDGEKIT_HOST_PREFIX"/*|-Wl,-rpath,"$EDGEKIT_HOST_PREFIX"/*) continue ;;
    @MAP_LIBSTDCXX@
    -march=armv[89]*)
      # GCC's armv8.2-a+fp16 is zig's generic+v8_2a+fullfp16.
      features=$(echo "${arg#-march=}" | sed -e 's/^armv\([89]\)-a/v\1a/' -e 's/^armv\([89]\)\.\([0-9]\)-a/v\1_\2a/' \
        -e 's/+fp16\(+\|$\)/+fullfp16\1/' -e 's/+simd/+neon/g' -e 's/+nosimd//g' -e 's/+crypto/+aes+sha2/g')
      set -- "$@" "-mcpu=generic+$features"; continue ;;
  esac
  set -- "$@" "$arg"
done
# zig reads standard input for its own system unless it is told the language.
[ "$preprocess$stdin" = 11 ] && [ -z "$language" ] && set -- -x @LANGUAGE@ "$@"
# Questions about the compiler itself go to clang as they are, and that knows no glibc in a target's name.
[ -z "$input$stdin" ] && link='' triple=@MULTIARCH@
@LINK_RUNTIME@
exec @ZIG@ @DRIVER@ -target $triple -mcpu=@CPU@ -fno-sanitize=undefined -Wno-date-time \
  ${EDGEKIT_CACHE:+"-ffile-prefix-map=$EDGEKIT_CACHE=/edgekit"} @FLAGS@ "$@"
