//! What the source documents say of steps, beyond their examples.

use crate::fake::Fake;
use crate::{run, with_steps};
use larder_protocol::JobState;
use std::fmt::Write as _;

/// "There is no limit on the number of `store_artifacts` steps a job can run."
pub(crate) async fn any_number_of_steps_can_store_artifacts() {
    const STEPS: usize = 300;
    let fake = Fake::start().await;
    let mut steps = "      - run: echo x > x\n".to_owned();
    for number in 0..STEPS {
        writeln!(
            steps,
            "      - store_artifacts: {{path: x, destination: x-{number:03}}}"
        )
        .unwrap();
    }
    let summary = run(&fake, &with_steps(&steps)).await;
    assert_eq!(summary.exit_code(), 0);
    assert_eq!(summary.nodes[0].steps.len(), STEPS + 1);
    let state = fake.state.lock().unwrap();
    let paths = state.jobs[&summary.nodes[0].job_id].paths();
    let expected: Vec<_> = (0..STEPS).map(|number| format!("x-{number:03}")).collect();
    assert_eq!(paths, expected);
}

/// "Before each build, CircleCI creates an empty directory and exports its path in the read-only `$CIRCLE_ARTIFACTS`."
pub(crate) async fn circle_artifacts_is_empty_before_each_build_and_stays_where_it_is() {
    let fake = Fake::start().await;
    let config = with_steps(
        "      - run: test -d \"$CIRCLE_ARTIFACTS\" && test -z \"$(ls -A \"$CIRCLE_ARTIFACTS\")\"\n\
         \x20     - run: export CIRCLE_ARTIFACTS=/etc; echo 'export CIRCLE_ARTIFACTS=/etc' > other\n\
         \x20     - run: {command: 'echo hi > \"$CIRCLE_ARTIFACTS/hello.txt\"', environment: {CIRCLE_ARTIFACTS: /etc}}\n",
    );
    for _ in 0..2 {
        let summary = run(&fake, &config).await;
        let state = fake.state.lock().unwrap();
        let job = &state.jobs[&summary.nodes[0].job_id];
        assert_eq!(
            summary.nodes[0].outcome,
            JobState::Passed,
            "{}",
            job.whole_output()
        );
        let [kept] = &job.artifacts[..] else {
            panic!("{:?}", job.paths())
        };
        let alias = kept.body.alias.as_deref();
        assert_eq!(alias, Some("$CIRCLE_ARTIFACTS/hello.txt"));
        assert_eq!(kept.bytes, "hi\n");
    }
}
