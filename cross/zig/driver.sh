#!/bin/sh
# zig @DRIVER@ for @TRIPLE@, called by build systems as if it were the board's own compiler.
#
# What names this machine or an instruction set that the board lacks is dropped, and so are linker flags that zig
# refuses. EDGEKIT_HOST_PREFIX is where the build's own Python lives; EDGEKIT_CACHE is left out of compiled file names, so
# that every machine makes the same bytes. EDGEKIT_NOTES is a file that gets what was dropped and why, a line each; beside
# it, in EDGEKIT_NOTES.failed, lies what the compiler says when it fails: some packages keep that to themselves.

note() { [ -z "$EDGEKIT_NOTES" ] || printf '%s\t%s\n' "$1" "$2" >> "$EDGEKIT_NOTES"; }

# GCC's armv8.2-a+fp16 is zig's generic+v8_2a+fullfp16. What the board's cores lack is left out.
cap() {
  words='' lacking=''
  for word in $(echo "${1#-march=}" | tr + ' '); do
    case $word in
      @VERSIONS@
      armv[89]*) words=+@NEWEST@ lacking="$lacking $word" ;;
      no*) ;;
      @FEATURES@
      *) lacking="$lacking $word" ;;
    esac
  done
  [ -z "$lacking" ] || note "$1" "the board's cores (@CORES@) lack$lacking"
}

case ":$CPATH:$C_INCLUDE_PATH:$CPLUS_INCLUDE_PATH:" in
  *:/usr/*) unset CPATH C_INCLUDE_PATH CPLUS_INCLUDE_PATH; note CPATH "this machine's headers are not the board's" ;;
esac
left=$# preprocess='' language='' input='' stdin='' link=1 triple=@TRIPLE@ option=''
while [ "$left" -gt 0 ]; do
  arg=$1; shift; left=$((left - 1))
  # An option in two words is judged as in one.
  if [ -z "$option" ]; then
    case $arg in
      -I|-L|-isystem|-idirafter|-iquote|-isysroot|--sysroot|-rpath) option=$arg; continue ;;
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
  fi
  whole=$option$arg
  case $whole in
    @DROPPED@
    -[IL]"$EDGEKIT_HOST_PREFIX"/*|-isystem"$EDGEKIT_HOST_PREFIX"/*|-Wl,-rpath,"$EDGEKIT_HOST_PREFIX"/*) option=''; continue ;;
    @MAP_LIBSTDCXX@
    -march=armv[89]*) cap "$whole"; set -- "$@" "-mcpu=generic$words"; continue ;;
  esac
  set -- "$@" ${option:+"$option"} "$arg"
  option=''
done
set -- "$@" ${option:+"$option"}
# zig reads standard input for its own system unless it is told the language.
[ "$preprocess$stdin" = 11 ] && [ -z "$language" ] && set -- -x @LANGUAGE@ "$@"
# Questions about the compiler itself go to clang as they are, and that knows no glibc in a target's name.
[ -z "$input$stdin" ] && link='' triple=@MULTIARCH@
@LINK_RUNTIME@
set -- @ZIG@ @DRIVER@ -target $triple -mcpu=@CPU@ -fno-sanitize=undefined -Wno-date-time \
  ${EDGEKIT_CACHE:+"-ffile-prefix-map=$EDGEKIT_CACHE=/edgekit"} @FLAGS@ "$@"
[ -n "$EDGEKIT_NOTES" ] || exec "$@"
"$@" 2> "$EDGEKIT_NOTES.$$"
status=$?
if [ -s "$EDGEKIT_NOTES.$$" ]; then
  cat "$EDGEKIT_NOTES.$$" >&2
  [ $status = 0 ] || cat "$EDGEKIT_NOTES.$$" >> "$EDGEKIT_NOTES.failed"
fi
exit $status
