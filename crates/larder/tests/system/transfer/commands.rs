//! What goes up comes down the same, by every way of naming it.

use std::path::Path;
use std::process::Command;

use crate::support::{PATIENCE, Store, output_within};

/// A CI's script; a comparison that fails ends it.
const SCRIPT: &str = r#"
set -eu
owner=$LARDER_TOKEN
eval "$(larder build start --project github/acme/mine --branch main --tag v1 2>/dev/null)"

# Modes and empty folders go up and come down.
mkdir -p dist/bin dist/empty/inner
printf 'run\n' > dist/bin/app && chmod 755 dist/bin/app
printf 'data\n' > dist/data && chmod 640 dist/data
printf 'odd\n' > 'dist/odd [1].txt'
larder upload dist 2>said
grep -q 'dist/empty/inner/  an empty folder' said
larder download dist out
test "$(stat -c %a out/dist/bin/app)" = 755
test "$(stat -c %a out/dist/data)" = 640
test -d out/dist/empty/inner
larder download dist out | grep -c unchanged | grep -qx 3
printf 'other\n' > out/dist/data && larder download dist out | grep -c unchanged | grep -qx 2
cmp dist/data out/dist/data

# New names, both ways.
larder upload 'dist/** => release/' '!**/odd*' --dry-run > plan
sort plan | cmp - <<END
dist/bin/app  release/bin/app  (4 B)
dist/data  release/data  (5 B)
END
larder upload 'dist/bin/* => tools/'
larder download 'tools/** => t' 'dist/odd [1].txt => odd' named
cmp dist/bin/app named/t/app
cmp 'dist/odd [1].txt' named/odd
larder download --strip dist 'dist/bin/*' stripped
cmp dist/bin/app stripped/bin/app

# Standard input, standard output.
printf 'piped\n' | larder upload - --name in/piped.txt --json > kept
grep -q '"path":"in/piped.txt"' kept && grep -q '"sent_bytes":6' kept
test "$(larder download in/piped.txt -)" = piped
if larder download 'dist/**' - 2>said; then exit 9; fi
grep -q 'only one' said
if printf x | larder upload - 2>said; then exit 9; else test $? = 2; fi
grep -q -- --name said
if printf x | larder upload - --name ../x 2>said; then exit 9; else test $? = 2; fi
grep -q 'no part of a name' said

# A link leads no further when it is named, and what was left out is said.
ln -s /etc/hostname outer
if larder upload outer 2>said; then exit 9; else test $? = 2; fi
grep -q 'outer: no file matches' said && grep -q 'leads outside, to /etc/hostname' said
mkdir many && printf a > many/a && printf b > 'many/back\slash'
if larder upload many 2>said; then exit 9; else test $? = 1; fi
grep -q '1 files are kept, 1 are not' said

# Finding.
test "$(larder list 'tools/**' | cut -f 4)" = tools/app
larder shasum 'dist/**' > sums && sha256sum --check --quiet sums
larder shasum --sha1 dist/data | sha1sum --check --quiet
test "$(larder search dist/data --format '%s|%j|%d\t%%')" = "5|build|$(sha256sum dist/data | cut -d' ' -f1)	%"
larder search --json dist/data | grep -q '"path": "dist/data"'
for command in 'list nothing' 'search nothing' 'shasum nothing'; do
  if larder $command 2>said; then exit 9; else test $? = 1; fi
  grep -q nothing said
done
if larder search x --format %q 2>said; then exit 9; else test $? = 2; fi

# Patterns that mean nothing.
if larder upload 'nothing-*' 2>said; then exit 9; else test $? = 2; fi
grep -q 'nothing-\*: no file matches in /' said
larder upload 'nothing-*' --if-no-files warn 2>said
grep -q 'warning: nothing-' said
larder upload 'nothing-*' --if-no-files ignore 2>said
test ! -s said

# The newest build, by what it is.
larder build finish --state failed
export LARDER_TOKEN=$owner
unset LARDER_JOB
export LARDER_PROJECT=github/acme/mine
larder download --latest --branch main dist/data latest && cmp dist/data latest/dist/data
test "$(larder search --latest --tag v1 dist/data --format %p)" = dist/data
if larder list --latest --successful 2>said; then exit 9; else test $? = 1; fi
grep -q 'no successful build' said
if larder list --latest --branch other 2>said; then exit 9; fi
grep -q 'of the branch other' said

# Nothing to keep is no build.
if LARDER_JOB= LARDER_PROJECT=github/acme/nothing larder upload 'nothing-*' 2>said; then exit 9; else test $? = 2; fi
if grep -q 'build 1' said; then exit 9; fi
if larder list --latest --any --project github/acme/nothing 2>said; then exit 9; fi

# Names that cannot be.
if LARDER_PROJECT=mine larder upload dist 2>said; then exit 9; else test $? = 2; fi
grep -q 'as in github/acme/demo' said
if LARDER_URL=$LARDER_URL/larder larder upload dist 2>said; then exit 9; else test $? = 2; fi
grep -q 'no larder' said

# Two nodes with a file of the same name.
eval "$(larder build start --project github/acme/mine --parallelism 2 --node 0 --external-id two 2>/dev/null)"
printf 0 > shard && larder upload shard
export LARDER_TOKEN=$owner
eval "$(larder build start --project github/acme/mine --parallelism 2 --node 1 --external-id two 2>/dev/null)"
printf 1 > shard && larder upload shard
export LARDER_TOKEN=$owner
if larder download --build "$LARDER_BUILD" shard both 2>said; then exit 9; else test $? = 2; fi
grep -q -- --per-job said && test ! -e both
larder download --build "$LARDER_BUILD" --per-job shard both
test "$(cat both/build/0/shard both/build/1/shard)" = 01
larder download --build "$LARDER_BUILD" --node 1 shard one && test "$(cat one/shard)" = 1

# A job that is run again takes the place of what it was, also in a CI that begins it by itself.
again() {
  LARDER_TOKEN=$owner LARDER_JOB= CIRCLECI=true CIRCLE_PROJECT_USERNAME=acme CIRCLE_PROJECT_REPONAME=mine \
    CIRCLE_WORKFLOW_ID=again CIRCLE_JOB=test CIRCLE_NODE_INDEX=0 CIRCLE_NODE_TOTAL=1 larder "$@"
}
printf first > shard && again upload shard --finish
printf second > shard && again upload shard --finish
id=$(again build start --format env 2>/dev/null | sed -n 's/^LARDER_BUILD=//p')
larder download --build "$id" shard rounds && test "$(cat rounds/shard)" = second
if larder list --build "$LARDER_BUILD" --job-name other 2>said; then exit 9; fi
grep -q -- --job-name said
"#;

#[test]
fn what_goes_up_comes_down_the_same_by_every_way_of_naming_it() {
    let store = Store::new();
    let server = store.serve().start();
    let folder = store.beside("work");
    std::fs::create_dir(&folder).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_larder")).parent().unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-xc", SCRIPT]).current_dir(&folder).env_clear();
    shell
        .env("PATH", format!("{}:/usr/bin:/bin", program.display()))
        .env("HOME", &folder)
        .env("LARDER_URL", &server.url)
        .env("LARDER_TOKEN", server.token());
    output_within(PATIENCE, &mut shell).is(0);
}
