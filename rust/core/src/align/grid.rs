//! The grid that every face is drawn on: cells of 2 mm in the face frame, whose origin lies between the outer eye
//! corners.

/// Columns of the grid.
pub const GRID_WIDTH: usize = 64;
/// Rows of the grid.
pub const GRID_HEIGHT: usize = 72;
/// Cells of the grid.
pub const CELLS: usize = GRID_WIDTH * GRID_HEIGHT;
/// Cell size, millimetres.
pub const GRID_STEP_MM: f32 = 2.0;
/// Left edge, millimetres.
pub const GRID_LEFT_MM: f32 = -64.0;
/// Upper edge, millimetres (y points down).
pub const GRID_TOP_MM: f32 = -50.0;
