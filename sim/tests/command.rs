//! The command `tellask-sim`: what it refuses, what it writes, and with which code it ends.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn command(args: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tellask-sim"));
    command.args(args);
    command
}

/// The exit code, standard output, and standard error.
fn run(line: &str) -> (Option<i32>, String, String) {
    let args: Vec<_> = line.split(' ').collect();
    told(&command(&args).output().expect("it runs"))
}

fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// An empty folder.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("it can be made");
    folder
}

/// Two parts of a campaign, in files.
fn parts(folder: &Path) -> [String; 2] {
    [1, 2].map(|part| {
        let file = folder.join(format!("new/{part}.txt")).display().to_string();
        let rest = format!("--out {} --shard {part}/2 --results {file}", folder.display());
        let (code, ..) = run(&format!("campaign --runs 2 --scenario port --seed 5 {rest}"));
        assert_eq!(code, Some(0));
        file
    })
}

#[test]
fn parts_that_are_all_there_are_put_together_in_any_order() {
    let [one, two] = parts(&folder("together"));
    let (code, out, _) = run(&format!("merge {two} {one}"));
    assert_eq!(code, Some(0), "{out}");
    assert!(out.ends_with("4 passed, 0 failed\n"), "{out}");
}

#[test]
fn parts_that_are_missing_doubled_cut_off_empty_or_of_another_campaign_are_refused() {
    let folder = folder("refused");
    let [one, two] = parts(&folder);
    let refused = |files: &str, why: &str| {
        let (code, out, said) = run(&format!("merge {files}"));
        assert_eq!((code, out.as_str()), (Some(2), ""), "{files}: {said}");
        assert!(said.contains(why), "{files}: {said}");
    };
    refused(&one, "1 parts of 2 are missing, the first is 2");
    refused(&format!("{one} {two} {one}"), "part 1/2 a second time");
    let text = fs::read_to_string(&two).expect("it was written");
    let other = folder.join("other.txt");
    let files = format!("{one} {}", other.display());
    let whole = text.lines().count();
    for lines in 1..whole {
        let cut: Vec<_> = text.lines().take(lines).collect();
        fs::write(&other, cut.join("\n")).expect("it can be written");
        refused(&files, "it is cut off");
    }
    for (text, why) in [
        (String::new(), "results of a campaign begin with"),
        (text.repeat(2), "is behind the end"),
        (text.replace("part 5 2/2", "part 6 2/2"), "from seed 6 on"),
        (text.replace("part 5 2/2\n", ""), "it does not say which part"),
        (text.replace("part 5 2/2", "part 5 3/2"), "is no result"),
    ] {
        fs::write(&other, text).expect("it can be written");
        refused(&files, why);
    }
}

#[test]
fn more_failures_than_runs_are_no_huge_number_of_runs_that_passed() {
    let file = folder("negative").join("1.txt");
    let text = "tellask-campaign 2\npart 0 1/1\nruns port 0\nfailed port 3 it fell\nend\n";
    fs::write(&file, text).expect("it can be written");
    let (code, out, _) = run(&format!("merge {}", file.display()));
    assert_eq!(code, Some(1));
    assert!(out.ends_with("0 passed, 1 failed\n"), "{out}");
}

#[test]
fn a_file_that_cannot_be_written_is_found_out_before_the_work_and_folders_are_made() {
    let folder = folder("unwritable");
    let file = folder.join("file");
    fs::write(&file, "").expect("it can be written");
    let (inside, new) = (file.join("x").display().to_string(), folder.join("a/b/c"));
    let out = folder.display();
    // So many runs would take longer than anybody waits.
    let campaign = "campaign --runs 1000000000 --scenario port";
    let (code, _, said) = run(&format!("{campaign} --out {out} --results {inside}"));
    assert_eq!((code, said.contains(&inside)), (Some(2), true), "{said}");
    let (code, said, _) = run(&format!("run port --report {inside}"));
    assert_eq!((code, said.as_str()), (Some(2), ""));
    let (code, ..) =
        run(&format!("run port --seconds 1 --report {0} --export dot:{0}.dot", new.display()));
    assert_eq!((code, new.is_file()), (Some(0), true));
}

/// A plan that fails: of datagrams of one byte nobody hears anything, and that is what nodes are told to send.
const FAILS: &str = "tellask-plan 1\nscenario port\nnodes 0 1\ncore 0 1\nphase 1s\nat 0s mtu 1\n";

#[test]
fn what_is_made_smaller_goes_to_a_new_folder_and_not_to_a_place_that_takes_nothing() {
    let folder = folder("smaller");
    let (plan, out) = (folder.join("plan"), folder.join("a/b/small"));
    fs::write(&plan, FAILS).expect("it can be written");
    let line = format!("shrink {} --out", plan.display());
    let (code, ..) = run(&format!("{line} {}", out.display()));
    assert_eq!((code, out.is_file()), (Some(0), true));
    let (code, told, said) = run(&format!("{line} {}/x", plan.display()));
    assert_eq!((code, told.as_str(), said.contains(" runs in ")), (Some(2), "", false), "{said}");
    assert_eq!(fs::read_to_string(&plan).expect("it is there"), FAILS);
}

#[test]
#[cfg(target_os = "linux")]
fn what_something_came_to_is_said_even_where_it_cannot_be_written() {
    let folder = folder("full");
    let plan = folder.join("plan");
    fs::write(&plan, FAILS).expect("it can be written");
    for (line, last) in [
        (
            format!("campaign --runs 1 --scenario port --out {} --results", folder.display()),
            "1 passed, 0 failed\n",
        ),
        ("run port --seconds 1 --report".into(), "\n"),
        (format!("shrink {} --out", plan.display()), "}\n"),
    ] {
        let (code, out, said) = run(&format!("{line} /dev/full"));
        assert_eq!(code, Some(2), "{line}: {said}");
        assert!(out.ends_with(last) && said.contains("/dev/full: "), "{out}{said}");
    }
}

#[test]
fn what_plays_a_run_again_is_all_that_was_said() {
    let file = folder("again").join("page.html");
    let line = "run secure --seed 3 --suite own --nodes 3 --seconds 1";
    let (code, ..) = run(&format!("{line} --report {}", file.display()));
    assert_eq!(code, Some(0));
    let page = fs::read_to_string(&file).expect("it was written");
    assert!(page.contains(&format!(">tellask-sim {line}</code>")));
}

#[test]
fn what_a_tale_has_no_use_for_is_refused() {
    let folder = folder("tale");
    let file = folder.join("x").display().to_string();
    for option in [
        format!("--report {file}"),
        format!("--export dot:{file}"),
        "--nodes 3".into(),
        "--seconds 3".into(),
    ] {
        let (code, out, said) = run(&format!("run between {option}"));
        assert_eq!((code, out.as_str()), (Some(2), ""), "{option}");
        assert!(said.contains("between is a tale of its seed alone"), "{said}");
    }
    assert!(!Path::new(&file).exists());
    let plan = folder.join("plan");
    let (_, text, _) = run("run between --plan");
    fs::write(&plan, text).expect("it can be written");
    let (code, ..) = run(&format!("replay {} --report {file}", plan.display()));
    assert_eq!(code, Some(2));
}

#[test]
fn more_nodes_than_a_plan_has_are_refused_at_once() {
    let (code, out, said) = run("run secure --nodes 4294967295");
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert_eq!(said, "tellask-sim: --nodes takes 250 at the most, not 4294967295\n");
}

#[test]
#[cfg(unix)]
fn an_output_that_takes_nothing_and_words_that_are_no_text_are_no_panic() {
    use std::os::unix::ffi::OsStrExt as _;
    let (code, _, said) = told(&command(&[OsStr::from_bytes(b"\xff")]).output().expect("it runs"));
    assert_eq!(code, Some(2));
    assert!(said.ends_with(" is no text\n") && !said.contains("panic"), "{said}");
    for line in ["list", "--help", "run port --seconds 1", "run port --plan"] {
        let args: Vec<_> = line.split(' ').collect();
        // Whoever would read it is gone before it begins.
        let (reader, writer) = std::io::pipe().expect("there are pipes");
        drop(reader);
        let closed = command(&args).stdout(writer).stderr(Stdio::piped()).output();
        assert_eq!(told(&closed.expect("it runs")), (Some(0), String::new(), String::new()));
        let Ok(full) = File::options().write(true).open("/dev/full") else { continue };
        let full = command(&args).stdout(full).stderr(Stdio::piped()).output();
        let (code, _, said) = told(&full.expect("it runs"));
        assert_eq!(code, Some(2), "{line}");
        assert!(said.starts_with("tellask-sim: standard output: "), "{said}");
    }
}
