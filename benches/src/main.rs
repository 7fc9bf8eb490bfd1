//! `steps STEP ROUNDS` runs a step of [`tricast_benches::steps`] so many times, for a tool that counts instructions.

use std::process::ExitCode;

use tricast_benches::steps::Step;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let step = words.next().and_then(|name| Step::named(&name));
    let rounds = words.next().and_then(|rounds| rounds.parse().ok());
    match (step, rounds) {
        (Some(step), Some(rounds)) => {
            step.run(rounds);
            ExitCode::SUCCESS
        }
        _ => ExitCode::from(2),
    }
}
