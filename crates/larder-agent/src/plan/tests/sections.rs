//! Parts of a text that stand there only if a value is true, or is not.

use super::{alone_on, commands_of, refused};

const DECLARED: &str = "version: 2.1\njobs:\n  build:\n    machine: true\n    parameters:\n      \
                        yes: {type: boolean, default: true}\n      no: {type: boolean, default: false}\n      \
                        word: {type: string, default: a b}\n      none: {type: string, default: ''}\n    steps:\n";

fn command(text: &str) -> String {
    let config = format!("{DECLARED}      - run: |\n          {text}\n");
    let plan = alone_on(&config, "build", "main");
    commands_of(&plan)[0].trim_end_matches('\n').to_owned()
}

#[test]
fn a_section_stands_there_only_if_its_value_is_true() {
    for (text, expected) in [
        ("a <<# parameters.yes >>b<</ parameters.yes >> c", "a b c"),
        ("a <<#parameters.no>>b<</parameters.no>> c", "a  c"),
        ("<<^ parameters.no >>b<</ parameters.no >>", "b"),
        ("a<<^ parameters.yes >>b<</ parameters.yes >>", "a"),
        (
            "x <<# parameters.word >>--word '<< parameters.word >>'<</ parameters.word >>",
            "x --word 'a b'",
        ),
        ("x<<# parameters.none >> --none<</ parameters.none >>", "x"),
        (
            "<<# parameters.yes >>1<<# parameters.yes >>2<</ parameters.yes >>3<</ parameters.yes >>4",
            "1234",
        ),
        (
            "<<# parameters.yes >>a<<# parameters.no >>b<</ parameters.no >>c<</ parameters.yes >>",
            "ac",
        ),
        (
            "<<# pipeline.git.branch >>on<</ pipeline.git.branch >>",
            "on",
        ),
        ("cat \\<<< x", "cat <<< x"),
        ("cat <<EOF > << parameters.word >>", "cat <<EOF > a b"),
    ] {
        assert_eq!(command(text), expected, "{text}");
    }
}

#[test]
fn sections_within_each_other_end_somewhere() {
    let mut text = String::new();
    text.push_str(&"<<# parameters.yes >>".repeat(100));
    text.push_str(&"<</ parameters.yes >>".repeat(100));
    let said = refused(&format!("{DECLARED}      - run: '{text}'\n"));
    assert!(said.contains("more than 20 sections"), "{said}");
}
