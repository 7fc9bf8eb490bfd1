//! Conditions from JSON, with every fault told by the name of its field.

use serde_json::Value;

use super::Conditions;

/// Reads conditions; values that cannot be are left to [`Conditions::check`].
pub(super) fn read(value: &Value) -> Result<Conditions, String> {
    are_objects(value)?;
    serde_json::from_value(value.clone())
        .map_err(|error| fault(value, &mut Vec::new()).unwrap_or_else(|| error.to_string()))
}

/// An array is none, though it could be read as the fields in their order.
fn are_objects(value: &Value) -> Result<(), String> {
    if !value.is_object() {
        return Err("the conditions: expected an object".to_owned());
    }
    for way in ["up", "down"] {
        let hold = value.get(way).and_then(|way| way.get("hold")).filter(|hold| !hold.is_null());
        for (name, part) in [(way.to_owned(), value.get(way)), (format!("{way}.hold"), hold)] {
            if part.is_some_and(|part| !part.is_object()) {
                return Err(format!("{name}: expected an object"));
            }
        }
    }
    Ok(())
}

/// What is wrong with the deepest part that cannot be read, by its name: each is read as if nothing else were there.
fn fault<'a>(part: &'a Value, path: &mut Vec<&'a str>) -> Option<String> {
    for (name, member) in part.as_object().into_iter().flatten() {
        path.push(name);
        let found = fault(member, path);
        path.pop();
        if found.is_some() {
            return found;
        }
    }
    let around = |inner: Value, name: &&str| serde_json::json!({ (*name): inner });
    let alone = path.iter().rev().fold(part.clone(), around);
    let told = serde_json::from_value::<Conditions>(alone).err()?.to_string();
    // A part that stands alone lacks its neighbours; only what holds them all can tell that one is missing.
    let lacks = !part.is_object() && told.starts_with("missing field");
    (!lacks && !path.is_empty()).then(|| format!("`{}`: {told}", path.join(".")))
}
