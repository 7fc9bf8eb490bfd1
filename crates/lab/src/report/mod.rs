//! stub
use std::path::{Path,PathBuf};
/// x
pub enum Language { En, Fr }
/// x
pub struct Reports;
/// x
pub struct Tables;
/// x
pub fn report(_d:&Path)->crate::Result<PathBuf>{ todo!() }
/// x
pub fn scorecard(){}
/// x
pub fn table(){}
