//! A file that comes in parts.

use crate::model::{Artifact, ArtifactState};

/// Most parts of a file; it has larger parts rather than more of them.
const PARTS_MAX: u64 = 1_024;
/// As many parts a file has at least, unless they would be smaller than a step: four of them are about a thirtieth of it.
const PARTS_WANTED: u64 = 128;
/// Parts of smaller files have a multiple of this: less would be more work for the disk than it is worth.
const PART_BYTES_STEP: u64 = 1024 * 1024;

/// Where an upload in parts is.
#[derive(Clone, Debug)]
pub struct Upload {
    /// What the parts will be, or are: once it is finished nothing more is to be sent.
    pub artifact: Artifact,
    /// Bytes of every part but the last.
    pub part_bytes: u64,
    /// How many parts the file has.
    pub parts: u32,
    /// Parts that need not be sent again, in order.
    pub held: Vec<u32>,
}

/// How a file is cut.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct PartPlan {
    size: u64,
    part_bytes: u64,
}

impl PartPlan {
    /// For a new upload: parts of `usual` bytes. A file that would have few of them has smaller ones, since those that
    /// were under way when something broke are sent again; one that would have too many has larger ones.
    pub(crate) fn new(size: u64, usual: u64) -> Self {
        let usual = usual.max(1);
        let steps = (size / PARTS_WANTED / PART_BYTES_STEP).max(1);
        let part_bytes = (steps * PART_BYTES_STEP)
            .min(usual)
            .max(size.div_ceil(PARTS_MAX));
        Self { size, part_bytes }
    }

    /// As it was agreed for an artifact; `None` if it does not come in parts.
    pub(crate) fn of(artifact: &Artifact) -> Option<Self> {
        let part_bytes = artifact.part_bytes.filter(|bytes| *bytes > 0)?;
        let size = artifact.size;
        Some(Self { size, part_bytes })
    }

    pub(crate) fn part_bytes(self) -> u64 {
        self.part_bytes
    }

    /// How many parts there are; none of an empty file.
    pub(crate) fn parts(self) -> u32 {
        u32::try_from(self.size.div_ceil(self.part_bytes)).unwrap_or(u32::MAX)
    }

    /// Bytes of a part; `None` if there is no such part.
    pub(crate) fn length_of(self, part: u32) -> Option<u64> {
        let start = u64::from(part) * self.part_bytes;
        (start < self.size).then(|| self.part_bytes.min(self.size - start))
    }

    /// Parts that are not among those held, which are in order.
    pub(crate) fn missing(self, held: &[u32]) -> Vec<u32> {
        (0..self.parts())
            .filter(|part| held.binary_search(part).is_err())
            .collect()
    }

    /// Where the upload of an artifact is.
    pub(crate) fn upload(self, artifact: Artifact, held: Vec<u32>) -> Upload {
        let is_finished = artifact.state == ArtifactState::Finished;
        Upload {
            artifact,
            part_bytes: self.part_bytes,
            parts: self.parts(),
            held: if is_finished {
                (0..self.parts()).collect()
            } else {
                held
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_huge_file_has_larger_parts_and_not_more_of_them() {
        const MIB: u64 = 1024 * 1024;
        let plan = PartPlan::new(8 * 1024 * MIB, 8 * MIB);
        assert_eq!((plan.part_bytes(), plan.parts()), (8 * MIB, 1_024));
        let plan = PartPlan::new(9 * 1024 * MIB, 8 * MIB);
        assert_eq!((plan.part_bytes(), plan.parts()), (9 * MIB, 1_024));
        assert!(PartPlan::new(u64::MAX, 8 * MIB).parts() <= 1_024);
        assert_eq!(PartPlan::new(0, 8 * MIB).parts(), 0);
    }

    #[test]
    fn a_smaller_file_has_smaller_parts_and_not_fewer_of_them() {
        const MIB: u64 = 1024 * 1024;
        for (size, part_bytes) in [
            (1, 1),
            (33, 1),
            (255, 1),
            (256, 2),
            (600, 4),
            (1_024, 8),
            (8_192, 8),
        ] {
            assert_eq!(
                PartPlan::new(size * MIB, 8 * MIB).part_bytes(),
                part_bytes * MIB,
                "{size} MiB"
            );
        }
        // Four parts at a time are lost with a connection.
        for size in 80..4_096 {
            let plan = PartPlan::new(size * MIB, 8 * MIB);
            assert!(4 * plan.part_bytes() * 20 <= size * MIB, "{size} MiB");
        }
    }

    proptest! {
        #[test]
        fn the_parts_make_up_the_file(size in 0..5_000_u64, least in 1..300_u64) {
            let plan = PartPlan::new(size, least);
            let lengths: Vec<_> = (0..plan.parts()).map(|part| plan.length_of(part).unwrap()).collect();
            prop_assert_eq!(lengths.iter().sum::<u64>(), size);
            prop_assert!(lengths.iter().rev().skip(1).all(|length| *length == plan.part_bytes()));
            prop_assert_eq!(plan.length_of(plan.parts()), None);
            prop_assert_eq!(plan.missing(&[]).len(), lengths.len());
        }
    }
}
