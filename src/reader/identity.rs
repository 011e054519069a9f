//! What Windows' device manager would know of a reader.

use crate::usb::Interface;

/// `SCARD_READER_TYPE_USB`: every reader here is one.
pub(crate) const TYPE_USB: u32 = 0x20;

/// The device's identifier in the form of Windows: bus, make, and what tells it from others of the same make. The last part is
/// the place on the bus, since serial numbers are not unique.
pub(crate) fn instance(interface: &Interface) -> String {
    let mut id = format!("USB\\VID_{:04X}&PID_{:04X}", interface.vendor_id, interface.product_id);
    if interface.composite {
        id.push_str(&format!("&MI_{:02X}", interface.number));
    }
    let place = interface.usb_path.split(':').next().unwrap_or_default();
    if place.is_empty() {
        id.push_str(&format!("\\{}-{}", interface.bus, interface.address));
    } else {
        id.push_str(&format!("\\{place}"));
    }
    id
}
