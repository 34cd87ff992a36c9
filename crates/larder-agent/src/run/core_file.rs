//! Who left a core file: process and program, read from the notes of the ELF file itself, since
//! its name may say neither. Only 64-bit and 32-bit little-endian cores are read.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

const ELF_TYPE_CORE: u64 = 4;
const SEGMENT_NOTE: u64 = 4;
const NOTE_PROCESS: u64 = 3;
const NOTE_AUXILIARY: u64 = 6;
const NOTE_FILES: u64 = 0x4649_4c45;
const AUXILIARY_ENTRY: u64 = 9;
/// Kernels write a few KiB, more with many threads or mapped files.
const NOTES_BYTES_MAX: u64 = 4 * 1024 * 1024;
const SEGMENTS_MAX: u64 = 65_535;

/// What a core says about its process.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct CoreFile {
    pub(super) pid: i32,
    /// Process number of the leader of its session: all processes of a step have one, unless they
    /// left it.
    pub(super) session: i32,
    /// Path of the program, as the process saw it; its short name if the core knows no path.
    pub(super) program: String,
}

impl CoreFile {
    /// `None` if the file is not a core or is damaged; errors are those of reading.
    pub(super) fn read(path: &Path) -> io::Result<Option<Self>> {
        let file = File::open(path)?;
        let mut header = [0; 64];
        let filled = file.read_at(&mut header, 0)?;
        let Some(elf) = Elf::parse(&header[..filled]) else {
            return Ok(None);
        };
        for index in 0..elf.segments.min(SEGMENTS_MAX) {
            let mut segment = vec![0; elf.segment_bytes];
            file.read_exact_at(
                &mut segment,
                elf.segments_at
                    .saturating_add(index * elf.segment_bytes as u64),
            )?;
            let Some((offset, length)) = elf.note_segment(&segment) else {
                continue;
            };
            let mut notes = vec![0; usize::try_from(length.min(NOTES_BYTES_MAX)).unwrap_or(0)];
            file.read_exact_at(&mut notes, offset)?;
            return Ok(elf.process(&notes));
        }
        Ok(None)
    }

    /// The documented name: `core.<pid>.<program with / as !>`.
    pub(super) fn documented_name(&self) -> String {
        documented_name(self.pid, &self.program)
    }
}

/// `core.<pid>.<program with / as !>`, as the documentation promises it.
pub(super) fn documented_name(pid: i32, program: &str) -> String {
    let program: String = program
        .chars()
        .map(|c| if c == '/' { '!' } else { c })
        .filter(|c| !c.is_control())
        .collect();
    let mut name = format!("core.{pid}.{program}");
    while name.len() > 255 {
        name.pop();
    }
    name
}

/// What the header says.
struct Elf {
    /// Bytes of an address: 8 or 4.
    word: usize,
    segments_at: u64,
    segments: u64,
    segment_bytes: usize,
}

impl Elf {
    fn parse(header: &[u8]) -> Option<Self> {
        let word = match header.get(..6)? {
            [0x7f, b'E', b'L', b'F', 2, 1] => 8,
            [0x7f, b'E', b'L', b'F', 1, 1] => 4,
            _ => return None,
        };
        if number(header, 16, 2)? != ELF_TYPE_CORE {
            return None;
        }
        let (segments_at, sizes_at) = if word == 8 { (32, 54) } else { (28, 42) };
        let segment_bytes = number(header, sizes_at, 2)?;
        (32..=256).contains(&segment_bytes).then_some(Self {
            word,
            segments_at: number(header, segments_at, word)?,
            segments: number(header, sizes_at + 2, 2)?,
            segment_bytes: usize::try_from(segment_bytes).ok()?,
        })
    }

    /// Offset and length, if the segment holds notes.
    fn note_segment(&self, segment: &[u8]) -> Option<(u64, u64)> {
        if number(segment, 0, 4)? != SEGMENT_NOTE {
            return None;
        }
        let (offset_at, length_at) = if self.word == 8 { (8, 32) } else { (4, 16) };
        Some((
            number(segment, offset_at, self.word)?,
            number(segment, length_at, self.word)?,
        ))
    }

    fn process(&self, notes: &[u8]) -> Option<CoreFile> {
        let mut short_name = None;
        let mut entry = None;
        let mut files = Vec::new();
        for (kind, content) in (Notes { rest: notes }) {
            match kind {
                NOTE_PROCESS => short_name = self.short_name(content),
                NOTE_AUXILIARY => entry = self.entry_address(content),
                NOTE_FILES => files = self.files(content).unwrap_or_default(),
                _ => {}
            }
        }
        let (pid, session, short_name) = short_name?;
        // The program is the mapped file in which execution began.
        let program = entry.and_then(|at| {
            files
                .into_iter()
                .find(|file| file.start <= at && at < file.end)
        });
        Some(CoreFile {
            pid,
            session,
            program: program.map_or(short_name, |file| file.path),
        })
    }

    /// `elf_prpsinfo`: process, session and the first 15 bytes of the program's name.
    fn short_name(&self, content: &[u8]) -> Option<(i32, i32, String)> {
        // 136 bytes with 8-byte words; 124 or 128 with 4-byte ones, as user numbers have 2 or 4 bytes.
        let (pid_at, name_at) = match (self.word, content.len()) {
            (8, _) => (24, 40),
            (_, 124) => (12, 28),
            _ => (16, 32),
        };
        let pid = i32::try_from(number(content, pid_at, 4)?).ok()?;
        // Its parent and its group stand in between.
        let session = i32::try_from(number(content, pid_at + 12, 4)?).ok()?;
        let name = content.get(name_at..name_at + 16)?;
        let end = name
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(name.len());
        Some((
            pid,
            session,
            String::from_utf8_lossy(&name[..end]).into_owned(),
        ))
    }

    fn entry_address(&self, content: &[u8]) -> Option<u64> {
        (0..content.len() / (2 * self.word))
            .map(|index| index * 2 * self.word)
            .find(|&at| number(content, at, self.word) == Some(AUXILIARY_ENTRY))
            .and_then(|at| number(content, at + self.word, self.word))
    }

    fn files(&self, content: &[u8]) -> Option<Vec<MappedFile>> {
        let count = usize::try_from(number(content, 0, self.word)?).ok()?;
        let table = 2 * self.word;
        let names_at = count.checked_mul(3 * self.word)?.checked_add(table)?;
        let names = content.get(names_at..)?.split(|byte| *byte == 0);
        (0..count)
            .zip(names)
            .map(|(index, name)| {
                let at = table + index * 3 * self.word;
                Some(MappedFile {
                    start: number(content, at, self.word)?,
                    end: number(content, at + self.word, self.word)?,
                    path: String::from_utf8_lossy(name).into_owned(),
                })
            })
            .collect()
    }
}

struct MappedFile {
    start: u64,
    end: u64,
    path: String,
}

/// Notes one after another: sizes of name and content, kind, name, content, padded to 4 bytes.
struct Notes<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Notes<'a> {
    type Item = (u64, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let name_bytes = usize::try_from(number(self.rest, 0, 4)?).ok()?;
        let content_bytes = usize::try_from(number(self.rest, 4, 4)?).ok()?;
        let kind = number(self.rest, 8, 4)?;
        let content_at = 12 + name_bytes.checked_next_multiple_of(4)?;
        let content_end = content_at.checked_add(content_bytes)?;
        let content = self.rest.get(content_at..content_end)?;
        let next = content_end
            .checked_next_multiple_of(4)?
            .min(self.rest.len());
        self.rest = &self.rest[next..];
        Some((kind, content))
    }
}

/// A little-endian number of `length` bytes.
fn number(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    let field = bytes.get(at..at.checked_add(length)?)?;
    Some(
        field
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)),
    )
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::process::Command;

    /// A core of a program that aborts, if this machine can make one.
    pub(in crate::run) fn real_core(folder: &Path) -> Option<(std::path::PathBuf, u32)> {
        std::fs::write(
            folder.join("a.c"),
            "#include <stdlib.h>\nint main(void) { abort(); }\n",
        )
        .unwrap();
        let built = Command::new("gcc")
            .args(["-o", "crash", "a.c"])
            .current_dir(folder)
            .status();
        if !built.is_ok_and(|status| status.success()) {
            return None;
        }
        let script = "ulimit -c unlimited && exec ./crash";
        // A session of its own, as each step has: the leader of this test's may be outside of the
        // namespace of processes that it runs in, where it has no number.
        let mut child = Command::new("setsid")
            .args(["/bin/sh", "-c", script])
            .current_dir(folder)
            .spawn()
            .unwrap();
        let pid = child.id();
        child.wait().unwrap();
        let core = std::fs::read_dir(folder)
            .unwrap()
            .flatten()
            .find(|entry| entry.file_name().to_string_lossy().starts_with("core"))?;
        Some((core.path(), pid))
    }

    #[test]
    fn a_real_core_names_its_process_and_program_and_damage_is_harmless() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let Some((path, pid)) = real_core(&folder) else {
            eprintln!("skipped: this machine writes no core files here, or has no gcc");
            return;
        };
        let core = CoreFile::read(&path).unwrap().unwrap();
        assert_eq!(core.pid.cast_unsigned(), pid);
        assert_eq!(core.program, folder.join("crash").to_str().unwrap());
        assert_eq!(core.session, core.pid, "the leader of its session");
        let expected = format!("core.{pid}.{}", core.program.replace('/', "!"));
        assert_eq!(core.documented_name(), expected);

        let bytes = std::fs::read(&path).unwrap();
        let damaged = folder.join("damaged");
        for cut in [0, 5, 63, 64, 100, 500, 1000, 2000] {
            std::fs::write(&damaged, &bytes[..cut]).unwrap();
            assert!(
                !matches!(CoreFile::read(&damaged), Ok(Some(_))),
                "cut at {cut}"
            );
        }
        for at in 0..2000 {
            let mut changed = bytes[..16_384.min(bytes.len())].to_vec();
            changed[at] ^= 0xff;
            std::fs::write(&damaged, &changed).unwrap();
            // Whatever it says, it does not panic and does not read without end.
            let _ = CoreFile::read(&damaged);
        }
    }

    #[test]
    fn other_files_are_not_cores() {
        assert_eq!(CoreFile::read(Path::new("/bin/sh")).unwrap(), None);
        assert_eq!(CoreFile::read(Path::new("/etc/passwd")).unwrap(), None);
    }
}
