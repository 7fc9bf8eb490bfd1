//! A small drawing of our own: a frame with two axes, lines, points and bars, as inline SVG. Colours, dashes and
//! fonts come from the page's style sheet by class, so that light, dark and print need no second drawing.

use std::fmt::Write;

/// The drawing's size in its own units; the page scales it.
pub(super) const WIDTH: f64 = 480.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 44.0;
/// Width of a character of a tick's name, about.
const CHARACTER: f64 = 8.0;

/// How values become places on an axis.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    log: bool,
}

impl Scale {
    /// Evenly from `low` to `high`.
    pub(super) fn linear(low: f64, high: f64) -> Self {
        Self { low, high: if high > low { high } else { low + 1.0 }, log: false }
    }

    /// By orders of magnitude, from the 1, 2 or 5 at or under `low` to the one at or over `high`.
    pub(super) fn log(low: f64, high: f64) -> Self {
        let low = low.max(1e-6);
        let bottom = round_steps(low).filter(|step| *step <= low * 1.0001).last().unwrap_or(low);
        let top = round_steps(high.max(low)).find(|step| *step >= high * 0.9999).unwrap_or(high);
        Self { low: bottom, high: top.max(bottom * 10.0), log: true }
    }

    /// The place of a value, 0 to 1.
    pub(super) fn place(self, value: f64) -> f64 {
        let share = if self.log {
            (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        share.clamp(0.0, 1.0)
    }

    /// Values worth a line: a handful, round.
    pub(super) fn ticks(self) -> Vec<f64> {
        if self.log {
            let decades = (self.high / self.low).log10();
            let all =
                (0..=decades.ceil() as i32 + 1).flat_map(|d| round_steps(self.low * 10_f64.powi(d)).take(3));
            let wanted = |v: &f64| decades < 2.2 || (v.log10() - v.log10().round()).abs() < 1e-6;
            let inside = |v: &f64| *v >= self.low * 0.9999 && *v <= self.high * 1.0001;
            return all.filter(|v| wanted(v) && inside(v)).collect();
        }
        let rough = (self.high - self.low) / 5.0;
        let unit = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * unit).into_iter().find(|s| *s >= rough).unwrap_or(rough);
        let first = (self.low / step).ceil() as i64;
        (first..).map(|n| n as f64 * step).take_while(|v| *v <= self.high * 1.0001).take(12).collect()
    }
}

/// 1, 2, 5 and 10 in the decade of a value.
fn round_steps(value: f64) -> impl Iterator<Item = f64> {
    let decade = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(move |step| step * decade)
}

/// A drawing in progress.
pub(super) struct Drawing {
    body: String,
    height: f64,
    x: Scale,
    y: Scale,
}

impl Drawing {
    /// A frame with two scales.
    pub(super) fn new(height: f64, x: Scale, y: Scale) -> Self {
        Self { body: String::new(), height, x, y }
    }

    fn px(&self, x: f64) -> f64 {
        LEFT + self.x.place(x) * (WIDTH - LEFT - RIGHT)
    }

    fn py(&self, y: f64) -> f64 {
        self.height - BOTTOM - self.y.place(y) * (self.height - TOP - BOTTOM)
    }

    fn put(&mut self, element: std::fmt::Arguments<'_>) {
        self.body.write_fmt(element).expect("writing to a string does not fail");
        self.body.push('\n');
    }

    /// Horizontal lines with their values, and the axis' name above them.
    pub(super) fn y_axis(&mut self, name: &str, label: impl Fn(f64) -> String) {
        for value in self.y.ticks() {
            let y = self.py(value);
            let text = escape(&label(value));
            self.put(format_args!(
                r#"<line class="grid" x1="{LEFT}" x2="{:.1}" y1="{y:.1}" y2="{y:.1}"/>"#,
                WIDTH - RIGHT
            ));
            self.put(format_args!(
                r#"<text class="tick" x="{:.1}" y="{:.1}" text-anchor="end">{text}</text>"#,
                LEFT - 6.0,
                y + 4.0
            ));
        }
        let middle = (self.height - BOTTOM + TOP) / 2.0;
        self.put(format_args!(
            r#"<text class="axis" transform="translate(13 {middle:.1}) rotate(-90)" text-anchor="middle">{}</text>"#,
            escape(name)
        ));
    }

    /// Marks under the frame at given values, and the axis' name below.
    pub(super) fn x_axis(&mut self, name: &str, marks: &[(f64, String)]) {
        let base = self.height - BOTTOM;
        self.put(format_args!(
            r#"<line class="base" x1="{LEFT}" x2="{:.1}" y1="{base}" y2="{base}"/>"#,
            WIDTH - RIGHT
        ));
        for (value, text) in marks {
            let x = self.px(*value);
            self.put(format_args!(
                r#"<line class="base" x1="{x:.1}" x2="{x:.1}" y1="{base}" y2="{}"/>"#,
                base + 4.0
            ));
            // The last mark may stand at the very edge, where half of a long name would be cut off.
            let cut = x + text.chars().count() as f64 * CHARACTER / 2.0 > WIDTH;
            let (at, anchor) = if cut { (WIDTH - 1.0, "end") } else { (x, "middle") };
            self.put(format_args!(
                r#"<text class="tick" x="{at:.1}" y="{}" text-anchor="{anchor}">{}</text>"#,
                base + 18.0,
                escape(text)
            ));
        }
        let middle = (LEFT + WIDTH - RIGHT) / 2.0;
        self.put(format_args!(
            r#"<text class="axis" x="{middle:.1}" y="{}" text-anchor="middle">{}</text>"#,
            self.height - 7.0,
            escape(name)
        ));
    }

    /// A line through points, drawn in the class' colour and dash.
    pub(super) fn line(&mut self, class: &str, points: &[(f64, f64)]) {
        let place = |(index, point): (usize, &(f64, f64))| {
            format!("{}{:.1} {:.1}", if index == 0 { "M" } else { "L" }, self.px(point.0), self.py(point.1))
        };
        let path: String = points.iter().enumerate().map(place).collect();
        self.put(format_args!(r#"<path class="line {class}" d="{path}"/>"#));
    }

    /// A point in the transport's own shape.
    pub(super) fn point(&mut self, class: &str, shape: Shape, x: f64, y: f64) {
        let mark = shape.at(self.px(x), self.py(y));
        self.put(format_args!(r#"<g class="point {class}">{mark}</g>"#));
    }

    /// A ring round a point that is to stand out.
    pub(super) fn ring(&mut self, class: &str, x: f64, y: f64) {
        let (x, y) = (self.px(x), self.py(y));
        self.put(format_args!(r#"<circle class="ring {class}" cx="{x:.1}" cy="{y:.1}" r="9"/>"#));
    }

    /// The finished element, named for those who do not see it.
    pub(super) fn finish(self, title: &str, description: &str) -> String {
        frame(self.height, &self.body, title, description)
    }
}

/// A transport's mark, so that colour is never alone.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    Triangle,
    Square,
    Disc,
}

impl Shape {
    pub(super) fn at(self, x: f64, y: f64) -> String {
        match self {
            Self::Triangle => {
                format!(r#"<path d="M{x:.1} {:.1}l5 8.6h-10z"/>"#, y - 5.4)
            }
            Self::Square => format!(r#"<rect x="{:.1}" y="{:.1}" width="8" height="8"/>"#, x - 4.0, y - 4.0),
            Self::Disc => format!(r#"<circle cx="{x:.1}" cy="{y:.1}" r="4.4"/>"#),
        }
    }
}

/// One horizontal bar.
pub(super) struct Bar {
    /// The style class: a transport.
    pub(super) class: &'static str,
    pub(super) shape: Shape,
    pub(super) name: String,
    pub(super) value: f64,
    /// The ends of its interval.
    pub(super) whisker: Option<(f64, f64)>,
    pub(super) text: String,
}

/// A group of bars with a heading and, where there is one, a limit drawn across them.
pub(super) struct Group {
    pub(super) heading: String,
    pub(super) bars: Vec<Bar>,
    pub(super) limit: Option<(f64, String)>,
}

const BAR_LEFT: f64 = 112.0;
/// Room for a bar's label, where it is not longer.
const BAR_RIGHT: f64 = 96.0;
const LABEL_GAP: f64 = 7.0;
/// Width of a character of running words, about.
const LETTER: f64 = 7.0;
const BAR_STEP: f64 = 26.0;
const HEADING: f64 = 30.0;
const LIMIT: f64 = 18.0;

/// About how wide a bar's label is: its font is bold, and its spaces, marks and slashes are narrow.
fn label_width(text: &str) -> f64 {
    text.chars().map(|c| if c.is_whitespace() || ".,/".contains(c) { 4.8 } else { 9.2 }).sum()
}

/// The room that the longest of some labels takes behind its bar.
fn room<'a>(labels: impl Iterator<Item = &'a str>) -> f64 {
    labels.map(|text| label_width(text) + LABEL_GAP + 2.0).fold(BAR_RIGHT, f64::max).min(WIDTH / 2.0)
}

/// Where a limit's name stands, so that all of it is inside.
fn limit_place(x: f64, name: &str) -> (f64, &'static str) {
    let width = name.chars().count() as f64 * LETTER;
    if x + width <= WIDTH { (x, "start") } else { (x.max(width).min(WIDTH), "end") }
}

/// Groups of horizontal bars from zero, on one scale.
pub(super) fn bars(groups: &[Group], title: &str, description: &str) -> String {
    let tops = groups.iter().flat_map(|g| {
        g.bars
            .iter()
            .map(|b| b.whisker.map_or(b.value, |w| w.1.max(b.value)))
            .chain(g.limit.iter().map(|l| l.0))
    });
    let scale = Scale::linear(0.0, tops.fold(0.0, f64::max));
    let right = room(groups.iter().flat_map(|group| &group.bars).map(|bar| bar.text.as_str()));
    let place = |value: f64| BAR_LEFT + scale.place(value) * (WIDTH - BAR_LEFT - right);
    let (mut body, mut y) = (String::new(), 0.0);
    for group in groups {
        body.push_str(&format!(
            r#"<text class="heading" x="0" y="{:.1}">{}</text>"#,
            y + 18.0,
            escape(&group.heading)
        ));
        y += HEADING;
        let top = y;
        for bar in &group.bars {
            body.push_str(&one_bar(bar, y, &place));
            y += BAR_STEP;
        }
        if let Some((value, name)) = &group.limit {
            let x = place(*value);
            let (at, anchor) = limit_place(x, name);
            body.push_str(&format!(
                r#"<line class="limit" x1="{x:.1}" x2="{x:.1}" y1="{:.1}" y2="{:.1}"/><text class="tick" x="{at:.1}" y="{:.1}" text-anchor="{anchor}">{}</text>"#,
                top - 2.0, y + 2.0, y + 15.0, escape(name)
            ));
            y += LIMIT;
        }
        y += 8.0;
    }
    frame(y, &body, title, description)
}

fn one_bar(bar: &Bar, y: f64, place: &impl Fn(f64) -> f64) -> String {
    let (end, middle) = (place(bar.value), y + 9.0);
    let mut text = format!(
        r#"<g class="point {class}">{mark}</g><text class="tick" x="18" y="{base:.1}">{name}</text><rect class="bar {class}" x="{BAR_LEFT}" y="{y:.1}" width="{width:.1}" height="18" rx="2"/>"#,
        class = bar.class,
        mark = bar.shape.at(7.0, middle),
        base = middle + 4.0,
        name = escape(&bar.name),
        width = (end - BAR_LEFT).max(0.5),
    );
    let mut label = end;
    if let Some((low, high)) = bar.whisker {
        let (low, high) = (place(low), place(high));
        label = label.max(high);
        text.push_str(&format!(
            r#"<path class="whisker" d="M{low:.1} {middle:.1}H{high:.1}M{low:.1} {:.1}v8M{high:.1} {:.1}v8"/>"#,
            middle - 4.0, middle - 4.0
        ));
    }
    text.push_str(&format!(
        r#"<text class="value" x="{:.1}" y="{:.1}">{}</text>"#,
        label + LABEL_GAP,
        middle + 4.0,
        escape(&bar.text)
    ));
    text
}

/// One bar made of parts.
pub(super) struct Stack {
    pub(super) class: &'static str,
    pub(super) shape: Shape,
    pub(super) name: String,
    /// Style class and value of each part, from the left.
    pub(super) parts: Vec<(&'static str, f64)>,
    pub(super) text: String,
}

/// Stacked horizontal bars on one scale.
pub(super) fn stacks(stacks: &[Stack], title: &str, description: &str) -> String {
    let total = |stack: &Stack| stack.parts.iter().map(|part| part.1).sum::<f64>();
    let scale = Scale::linear(0.0, stacks.iter().map(total).fold(0.0, f64::max));
    let right = room(stacks.iter().map(|stack| stack.text.as_str()));
    let (mut body, mut y) = (String::new(), 6.0);
    for stack in stacks {
        let middle = y + 13.0;
        body.push_str(&format!(
            r#"<g class="point {}">{}</g><text class="tick" x="18" y="{:.1}">{}</text>"#,
            stack.class,
            stack.shape.at(7.0, middle),
            middle + 4.0,
            escape(&stack.name)
        ));
        let mut x = BAR_LEFT;
        for (class, value) in &stack.parts {
            let width = scale.place(*value) * (WIDTH - BAR_LEFT - right);
            body.push_str(&format!(
                r#"<rect class="part {class}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="26"/>"#
            ));
            x += width;
        }
        body.push_str(&format!(
            r#"<text class="value" x="{:.1}" y="{:.1}">{}</text>"#,
            x + LABEL_GAP,
            middle + 4.0,
            escape(&stack.text)
        ));
        y += 40.0;
    }
    frame(y, &body, title, description)
}

fn frame(height: f64, body: &str, title: &str, description: &str) -> String {
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\"><title>{}</title><desc>{}</desc>\n{body}</svg>",
        escape(title),
        escape(description)
    )
}

/// Text made safe between tags and inside quotes.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_scales_place_by_orders_of_magnitude() {
        let scale = Scale::log(1.0, 900.0);
        assert!((scale.place(1.0)).abs() < 1e-9 && (scale.place(1000.0) - 1.0).abs() < 1e-9);
        assert!((scale.place(10.0) - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!(scale.ticks(), [1.0, 10.0, 100.0, 1000.0]);
        assert_eq!(Scale::log(3.0, 30.0).ticks(), [2.0, 5.0, 10.0, 20.0, 50.0]);
        assert_eq!(Scale::log(60.0, 70.0).ticks(), [50.0, 100.0, 200.0, 500.0]);
    }

    #[test]
    fn linear_ticks_are_round_and_inside() {
        assert_eq!(Scale::linear(0.0, 1000.0).ticks(), [0.0, 200.0, 400.0, 600.0, 800.0, 1000.0]);
        assert_eq!(Scale::linear(0.0, 0.0).ticks().first(), Some(&0.0));
    }

    #[test]
    fn labels_stay_inside_the_drawing() {
        let bar = |text: &str| Bar {
            class: "sse",
            shape: Shape::Square,
            name: "SSE".to_owned(),
            value: 10.0,
            whisker: None,
            text: text.to_owned(),
        };
        let end = |text: &str| {
            let groups = [Group { heading: String::new(), bars: vec![bar(text)], limit: None }];
            let svg = bars(&groups, "", "");
            let x = svg.split("class=\"value\" x=\"").nth(1).unwrap().split('"').next().unwrap();
            x.parse::<f64>().unwrap() + label_width(text)
        };
        assert!(end("1 /s") <= WIDTH && end("≥ 6\u{202f}340\u{202f}882\u{202f}/s") <= WIDTH);
        let long = "limite brute 3,34 µs, 1 événement par envoi";
        for x in [BAR_LEFT, 250.0, WIDTH - BAR_RIGHT] {
            let (at, anchor) = limit_place(x, long);
            let width = long.chars().count() as f64 * LETTER;
            let ends = if anchor == "end" { (at - width, at) } else { (at, at + width) };
            assert!(ends.0 >= 0.0 && ends.1 <= WIDTH, "{x}: {ends:?}");
        }
    }

    #[test]
    fn hostile_text_stays_text() {
        let drawing = Drawing::new(200.0, Scale::linear(0.0, 1.0), Scale::linear(0.0, 1.0));
        let svg = drawing.finish("<script>", "a & \"b\"");
        assert!(svg.contains("&lt;script&gt;") && svg.contains("a &amp; &quot;b&quot;"));
    }
}
